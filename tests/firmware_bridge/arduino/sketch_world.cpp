/* pulse_node.ino in a world of virtual time: a MAX30102 on I2C, an I2S microphone, a serial line.
 *
 *   sketch SECONDS [AT EVENT]...   AT in ms; EVENT: unplug, plug, power (the sensor forgets everything), glitch (one
 *   transfer fails), block:MS (the line takes nothing for so long), mic:0 (its wire falls off), mic:1, host:HEX (bytes
 *   from the host)
 *
 * Prints "ms hex" for each write to the line. */
#include <stdlib.h>
#include <ucontext.h>

#include "pulse_node.ino"

static const int64_t SAMPLE_US = 10000, MIC_US_PER_16 = 1000, DMA = 1440;
static int64_t now_us;
static ucontext_t main_loop, mic_task;
static char mic_stack[1 << 18];
static void (*mic_code)(void *);
static bool in_mic, mic_wired = true;

/* ---- the sensor -------------------------------------------------------------------------------------------------- */
static struct {
    bool plugged = true;
    uint8_t registers[256], chosen, pending[8];
    int wrote, glitches;
    uint32_t fifo[32];
    uint8_t head, tail, over, filled;
    int64_t next_us;
    uint32_t taken;
    uint8_t answer[8];
    int answers, at;
} chip;

static void forget() { memset(chip.registers, 0, sizeof chip.registers), chip.head = chip.tail = chip.over = chip.filled = 0; }

static void sample_until(int64_t t)
{
    if (!chip.plugged || (chip.registers[0x09] & 0x87) != 3) {
        chip.next_us = t + SAMPLE_US;
        return;
    }
    for (; chip.next_us <= t; chip.next_us += SAMPLE_US) {
        uint32_t n = chip.taken++;
        if (chip.filled == 32) {
            chip.tail = (chip.tail + 1) & 31;
            if (chip.over < 31)
                chip.over++;
        } else
            chip.filled++;
        chip.fifo[chip.head] = 100000 + n % 10000; /* a ramp: each sample says which one it is */
        chip.head = (chip.head + 1) & 31;
    }
}

void TwoWire::beginTransmission(uint8_t) { chip.wrote = 0; }
void TwoWire::write(uint8_t byte) { chip.pending[chip.wrote++ & 7] = byte; }
static bool answers_now()
{
    now_us += 50;
    sample_until(now_us);
    if (chip.glitches > 0) {
        chip.glitches--;
        return false;
    }
    return chip.plugged;
}
int TwoWire::endTransmission(bool)
{
    if (!answers_now())
        return 2;
    chip.chosen = chip.pending[0];
    if (chip.wrote == 2) {
        uint8_t value = chip.pending[1];
        chip.registers[chip.chosen] = value;
        if (chip.chosen == 0x09 && (value & 0x40))
            forget();
        if (chip.chosen == 0x04)
            chip.head = value & 31, chip.filled = 0;
        if (chip.chosen == 0x05)
            chip.over = value & 31;
        if (chip.chosen == 0x06)
            chip.tail = value & 31;
    }
    return 0;
}
int TwoWire::requestFrom(uint8_t, uint8_t count)
{
    chip.at = chip.answers = 0;
    if (!answers_now())
        return 0;
    chip.answers = count;
    if (chip.chosen == 0x07) {
        uint32_t v = chip.fifo[chip.tail];
        for (int led = 0; led < 2; led++)
            for (int k = 0; k < 3; k++)
                chip.answer[3 * led + k] = (uint8_t)(v >> (16 - 8 * k));
        if (chip.filled)
            chip.tail = (chip.tail + 1) & 31, chip.filled--, chip.over = 0;
    } else
        chip.answer[0] = chip.chosen == 0x04 ? chip.head : chip.chosen == 0x05 ? chip.over : chip.chosen == 0x06 ? chip.tail : chip.registers[chip.chosen];
    return count;
}
int TwoWire::read() { return chip.at < chip.answers ? chip.answer[chip.at++] : -1; }
TwoWire Wire;

/* ---- time, events, the line -------------------------------------------------------------------------------------- */
static int events;
static char **event;
static int64_t blocked_until_us;
static const char *from_host = "";

static void happen()
{
    while (events >= 2 && now_us >= atoll(event[0]) * 1000) {
        const char *what = event[1];
        events -= 2, event += 2;
        sample_until(now_us);
        if (!strcmp(what, "unplug"))
            chip.plugged = false, forget();
        else if (!strcmp(what, "plug"))
            chip.plugged = true, chip.next_us = now_us + SAMPLE_US;
        else if (!strcmp(what, "power"))
            forget();
        else if (!strcmp(what, "glitch"))
            chip.glitches = 1;
        else if (!strncmp(what, "block:", 6))
            blocked_until_us = now_us + atoll(what + 6) * 1000;
        else if (!strncmp(what, "mic:", 4))
            mic_wired = what[4] == '1';
        else if (!strncmp(what, "host:", 5))
            from_host = what + 5;
        else
            exit(2);
    }
}

static void pass(int64_t us)
{
    int64_t end = now_us + us;
    while (now_us < end) {
        now_us = now_us + 1000 < end ? now_us + 1000 : end;
        happen();
        if (mic_code && !in_mic) {
            in_mic = true;
            swapcontext(&main_loop, &mic_task);
            in_mic = false;
        }
    }
    sample_until(now_us);
}

static void wait_a_little()
{
    if (in_mic)
        swapcontext(&mic_task, &main_loop);
    else
        pass(1000);
}

int64_t esp_timer_get_time() { return now_us; }
void delay(uint32_t ms)
{
    for (int64_t end_us = now_us + 1000 * (int64_t)ms; now_us < end_us;)
        wait_a_little();
}
uint32_t millis() { return (uint32_t)(now_us / 1000); }
uint32_t esp_random() { return 4711; }
int esp_reset_reason() { return ESP_RST_POWERON; }
SemaphoreHandle_t xSemaphoreCreateMutex()
{
    static int taken;
    return &taken;
}
void xSemaphoreTake(SemaphoreHandle_t m, int)
{
    while (*m)
        wait_a_little();
    *m = 1;
}
void xSemaphoreGive(SemaphoreHandle_t m) { *m = 0; }

size_t SerialPort::write(const uint8_t *data, size_t length)
{
    while (now_us < blocked_until_us) /* the caller waits, as for a full buffer */
        wait_a_little();
    printf("%lld ", (long long)(now_us / 1000));
    for (size_t i = 0; i < length; i++)
        printf("%02x", data[i]);
    printf("\n");
    return length;
}
int SerialPort::available() { return (int)strlen(from_host) / 2; }
int SerialPort::read()
{
    unsigned byte = 0;
    sscanf(from_host, "%2x", &byte);
    from_host += 2;
    return (int)byte;
}
SerialPort Serial;

/* ---- the microphone: 16 samples a millisecond into a buffer of 90 ms, which forgets its oldest ---------------------- */
static int64_t mic_read; /* samples handed out, or forgotten, since the start */
bool I2SClass::begin(int, uint32_t, int, int, int) { return true; }
size_t I2SClass::readBytes(char *data, size_t length)
{
    int64_t count = (int64_t)length / 4;
    for (;;) {
        int64_t there = now_us * 16 / MIC_US_PER_16;
        if (there - mic_read > DMA)
            mic_read = there - DMA;
        if (there - mic_read >= count)
            break;
        swapcontext(&mic_task, &main_loop);
    }
    for (int64_t k = 0; k < count; k++) {
        int32_t v = mic_wired ? (int32_t)((mic_read + k) / 4 % 8000) << 12 : 0; /* a ramp at 4 kHz */
        memcpy(data + 4 * k, &v, 4);
    }
    mic_read += count;
    return length;
}
static void run_mic() { mic_code(nullptr); }
void xTaskCreatePinnedToCore(void (*task)(void *), const char *, int, void *, int, void *, int)
{
    mic_code = task;
    getcontext(&mic_task);
    mic_task.uc_stack.ss_sp = mic_stack;
    mic_task.uc_stack.ss_size = sizeof mic_stack;
    makecontext(&mic_task, run_mic, 0);
}

int main(int argc, char **argv)
{
    int64_t end_us = argc > 1 ? atoll(argv[1]) * 1000000 : 0;
    events = argc - 2, event = argv + 2;
    happen();
    setup();
    while (now_us < end_us)
        loop();
    return 0;
}
