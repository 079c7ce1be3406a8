/* ESP32 with a MAX30102 (finger, I2C) and an I2S microphone (INMP441 or alike): PPG at 100 Hz, heart sound at 4 kHz.
 *
 * Put vitals_sender.h and vitals_sender.c beside this file. Board: "ESP32 Dev Module" of the esp32 core 3.x; nothing
 * else to install. An S3 or C3 has no such pins: choose others below. Wiring: docs/wiring.md of edge-vitals.
 *
 * Two tasks: this one reads the MAX30102's own FIFO, whose crystal makes the sample clock, and answers the host;
 * another reads the microphone, which blocks until its samples are there. A mutex keeps frames whole.
 *
 * What is not sampled is told: the index goes on by what the chip or the I2S driver threw away and by the time a sensor
 * was gone, and while one is missing an EVENT follows every HELLO.
 */
#include <Arduino.h>
#include <ESP_I2S.h>
#include <Wire.h>
#include <esp_timer.h>

extern "C" {
#include "vitals_sender.h"
}

static const int PIN_SDA = 21, PIN_SCL = 22;               /* MAX30102 */
static const int PIN_BCLK = 26, PIN_WS = 25, PIN_DIN = 33; /* microphone: SCK, WS, SD; L/R to ground */
static const uint32_t BAUD = 921600;
static const uint8_t MAX30102 = 0x57;
static const uint32_t FINGER = 50000; /* infrared counts under which nothing covers the sensor */
static const uint32_t FULL = 262143;  /* 18 bits */
static const uint16_t PPG_FRAME = 10, PCG_FRAME = 200;
static const uint32_t PPG_US = 10000, PCG_US = 250; /* a sample */
static const int64_t GONE_US = 500000;              /* a sensor that gives nothing for so long has to be started again */
static const int FAILURES = 5;                      /* in a row; one transfer may fail */
enum { TAPS = 32 };

static vitals_sender sender;
static vitals_receiver receiver;
static uint8_t out[VITALS_MAX_ENCODED];
static SemaphoreHandle_t line;
static I2SClass microphone;
static char hello[VITALS_MAX_HELLO];
static size_t hello_length;
static volatile bool ppg_on = true, pcg_on = true;
static const char *volatile ppg_wrong = "", *volatile pcg_wrong = ""; /* what is the matter now, in words */

static void put(size_t length) { Serial.write(out, length); }

static void say_event(uint8_t code, const char *detail)
{
    xSemaphoreTake(line, portMAX_DELAY);
    put(vitals_event(&sender, code, (uint32_t)esp_timer_get_time(), detail, strlen(detail), out));
    xSemaphoreGive(line);
}

static void say_what_is_wrong()
{
    char detail[VITALS_MAX_EVENT_DETAIL];
    const char *ppg = ppg_wrong, *pcg = pcg_wrong;
    if (*ppg || *pcg) {
        snprintf(detail, sizeof detail, "%s%s%s", ppg, *ppg && *pcg ? "; " : "", pcg);
        say_event(VITALS_SENSOR_ERROR, detail);
    }
}

static void say_hello()
{
    xSemaphoreTake(line, portMAX_DELAY);
    put(vitals_hello(&sender, hello, hello_length, out));
    xSemaphoreGive(line);
    say_what_is_wrong();
}

static void send_block(const vitals_block &block, const void *samples)
{
    xSemaphoreTake(line, portMAX_DELAY);
    put(vitals_data(&sender, &block, samples, out));
    xSemaphoreGive(line);
}

/* ---- MAX30102: 400 samples a second, four averaged, two LEDs, 18 bits ------------------------------------------- */

static bool write_register(uint8_t reg, uint8_t value)
{
    Wire.beginTransmission(MAX30102);
    Wire.write(reg);
    Wire.write(value);
    return Wire.endTransmission() == 0;
}

static int read_register(uint8_t reg)
{
    Wire.beginTransmission(MAX30102);
    Wire.write(reg);
    if (Wire.endTransmission(false) != 0 || Wire.requestFrom(MAX30102, (uint8_t)1) != 1)
        return -1;
    return Wire.read();
}

static bool start_sensor()
{
    return write_register(0x09, 0x40)                     /* reset */
           && (delay(20), write_register(0x08, 0x50))     /* average four, FIFO may roll over */
           && write_register(0x09, 0x03)                  /* red and infrared */
           && write_register(0x0A, 0x2F)                  /* 4096 nA full scale, 400 a second, 411 us pulses */
           && write_register(0x0C, 0x24)                  /* about 7 mA each */
           && write_register(0x0D, 0x24)
           && write_register(0x04, 0) && write_register(0x05, 0) && write_register(0x06, 0);
}

static struct {
    int32_t samples[2 * PPG_FRAME];
    uint32_t index, first_us; /* of the next sample; of the first one held */
    uint16_t held;
    uint8_t flags;
    int failures;
    bool begun, restarted;
    int64_t last_us; /* when the last sample was taken, or the sensor was started */
} ppg;

static void send_ppg()
{
    const vitals_block block = {1, VITALS_INT32, 2, ppg.flags, ppg.held, ppg.index - ppg.held, ppg.first_us};
    if (ppg.held && ppg_on)
        send_block(block, ppg.samples);
    ppg.held = 0, ppg.flags = 0;
}

static void try_sensor()
{
    if (!start_sensor()) {
        ppg_wrong = "MAX30102 does not answer";
        return;
    }
    ppg_wrong = "";
    ppg.failures = 0, ppg.restarted = ppg.begun;
    if (!ppg.begun)
        ppg.last_us = esp_timer_get_time();
}

static void lose_sensor(const char *why)
{
    send_ppg(); /* what comes later belongs to another time */
    ppg_wrong = why;
    say_what_is_wrong();
}

/* The index goes on by what was not sampled, or was thrown away, before the next of those that are waiting. */
static void skip_lost(int lost, int64_t next_us)
{
    send_ppg();
    if (lost == 31 || ppg.restarted) { /* the chip counts no further, or was away: by the clock, then */
        int64_t by_clock = (next_us - ppg.last_us + PPG_US / 2) / PPG_US - 1;
        lost = by_clock > lost ? (int)by_clock : lost;
    }
    ppg.index += (uint32_t)lost;
    ppg.flags = VITALS_OVERRUN;
    ppg.restarted = false;
}

static bool take_sample(int64_t taken_us)
{
    uint8_t raw[6];
    Wire.beginTransmission(MAX30102);
    Wire.write(0x07);
    if (Wire.endTransmission(false) != 0 || Wire.requestFrom(MAX30102, (uint8_t)6) != 6)
        return false;
    for (uint8_t &byte : raw)
        byte = (uint8_t)Wire.read();
    uint32_t red = ((uint32_t)(raw[0] & 3) << 16) | ((uint32_t)raw[1] << 8) | raw[2];
    uint32_t infrared = ((uint32_t)(raw[3] & 3) << 16) | ((uint32_t)raw[4] << 8) | raw[5];
    if (!ppg.held)
        ppg.first_us = (uint32_t)taken_us;
    ppg.samples[2 * ppg.held] = (int32_t)infrared;
    ppg.samples[2 * ppg.held + 1] = (int32_t)red;
    if (infrared < FINGER)
        ppg.flags |= VITALS_SENSOR_OFF;
    if (infrared >= FULL || red >= FULL)
        ppg.flags |= VITALS_SATURATED;
    ppg.held++, ppg.index++;
    ppg.last_us = taken_us, ppg.begun = true;
    return true;
}

/* When the newest of those that wait was taken: a period after the one before it, and less than one ago. Asking the clock
 * alone would stamp each frame by when it was polled, and a slope would look like a pulse. */
static int64_t newest_us(int waiting, int64_t now_us)
{
    int64_t steady_us = ppg.last_us + waiting * (int64_t)PPG_US;
    return steady_us > now_us ? now_us : steady_us < now_us - PPG_US ? now_us - PPG_US : steady_us;
}

/* Take what waits in the chip, up to the end of a frame; what is the matter, "" where nothing is. */
static const char *take_samples()
{
    static const char *const silent = "MAX30102 does not answer";
    int head = read_register(0x04), tail = read_register(0x06), lost = read_register(0x05);
    if (head < 0 || tail < 0 || lost < 0)
        return silent;
    int64_t now_us = esp_timer_get_time();
    int waiting = (head - tail) & 31;
    if (lost > 0 && waiting == 0)
        waiting = 32;
    if (waiting == 0) /* it may have lost its supply for a moment, and with it what it was told */
        return now_us - ppg.last_us > GONE_US ? "MAX30102 takes no samples" : "";
    int64_t end_us = newest_us(waiting, now_us);
    if (lost > 0 || ppg.restarted) {
        skip_lost(lost, end_us - (waiting - 1) * (int64_t)PPG_US);
        write_register(0x05, 0);
    }
    while (waiting-- > 0 && ppg.held < PPG_FRAME)
        if (!take_sample(end_us - waiting * (int64_t)PPG_US))
            return silent;
    return "";
}

static void read_sensor()
{
    const char *wrong;
    do {
        wrong = take_samples();
        ppg.failures = *wrong ? ppg.failures + 1 : 0;
        if (ppg.held < PPG_FRAME)
            break;
        send_ppg(); /* may take long, so that other samples wait then */
    } while (!*wrong);
    if (ppg.failures >= FAILURES)
        lose_sensor(wrong);
}

/* ---- microphone ------------------------------------------------------------------------------------------------ */

/* 16 kHz to 4 kHz, since microphones of this kind do not run at 4 kHz: flat to 800 Hz, and little left of what would fold
 * back below that. The flags it gives rise to: too loud, or no microphone, whose wire then says the same all the time. */
static uint8_t step_down(const int32_t *taken, int16_t *samples)
{
    static const int16_t taps[TAPS] = {-2, -2, 5, 16, 27, 26, 3, -43, -96, -124, -90, 33, 239, 489, 716, 851,
                                      851, 716, 489, 239, 33, -90, -124, -96, -43, 3, 26, 27, 16, 5, -2, -2};
    static int32_t history[TAPS];
    uint8_t flags = VITALS_SENSOR_OFF;
    for (size_t k = 0; k < 4 * PCG_FRAME; k++) {
        if (taken[k] != taken[0])
            flags &= (uint8_t)~VITALS_SENSOR_OFF;
        memmove(history, history + 1, sizeof history - sizeof history[0]);
        history[TAPS - 1] = taken[k] >> 12; /* 24 bits left-aligned in 32: keep 20 */
        if (k % 4 == 3) {
            int64_t sum = 0;
            for (int j = 0; j < TAPS; j++)
                sum += (int64_t)taps[j] * history[j];
            int32_t value = (int32_t)(sum / 4096);
            if (value > 32767 || value < -32768)
                flags |= VITALS_SATURATED;
            samples[k / 4] = (int16_t)(value > 32767 ? 32767 : value < -32768 ? -32768 : value);
        }
    }
    return flags;
}

static void listen(void *)
{
    static int32_t taken[4 * PCG_FRAME];
    static int16_t samples[PCG_FRAME];
    const int64_t driver_holds_us = 90000, late_us = 10000; /* six buffers of 240; more than this task wakes late by */
    int64_t end_us = esp_timer_get_time();                  /* of the last sample read */
    uint32_t index = 0;
    uint8_t overrun = 0;
    for (;;) {
        int64_t asked_us = esp_timer_get_time(), lost_us = asked_us - end_us - driver_holds_us;
        size_t got = microphone.readBytes((char *)taken, sizeof taken);
        if (got != sizeof taken) {
            pcg_wrong = "microphone gives no samples";
            delay(20);
            continue;
        }
        pcg_wrong = "";
        int64_t now_us = esp_timer_get_time(), block_us = PCG_FRAME * (int64_t)PCG_US;
        if (lost_us < 0)
            lost_us = 0;
        if (now_us - asked_us > 5000) { /* it had to wait, so nothing newer is there */
            int64_t late = now_us - (end_us + lost_us + block_us);
            lost_us += late > late_us ? late : 0;
            end_us = now_us - block_us - lost_us;
        }
        if (lost_us > 0)
            index += (uint32_t)(lost_us / PCG_US), overrun = VITALS_OVERRUN;
        end_us += lost_us + block_us;
        uint8_t flags = step_down(taken, samples) | overrun;
        const vitals_block block = {2, VITALS_INT16, 1, flags, PCG_FRAME, index, (uint32_t)(end_us - block_us)};
        overrun = 0;
        if (pcg_on)
            send_block(block, samples);
        index += PCG_FRAME;
    }
}

/* ---- the host -------------------------------------------------------------------------------------------------- */

static void obey(const vitals_command &command)
{
    uint8_t result = 0;
    if (command.type == VITALS_REQUEST_HELLO) {
        say_hello();
        return;
    }
    if (command.type == VITALS_SET || command.length != 1 || command.body[0] > 2)
        result = 1; /* this node has nothing to set, and two streams */
    else {
        bool on = command.type == VITALS_START;
        if (command.body[0] == 0 || command.body[0] == 1)
            ppg_on = on;
        if (command.body[0] == 0 || command.body[0] == 2)
            pcg_on = on;
    }
    xSemaphoreTake(line, portMAX_DELAY);
    put(vitals_ack(&sender, command.type, command.frame_seq, result, out));
    xSemaphoreGive(line);
}

void setup()
{
    Serial.setTxBufferSize(4096);
    Serial.begin(BAUD);
    line = xSemaphoreCreateMutex();
    hello_length = (size_t)snprintf(
        hello, sizeof hello,
        "{\"device\":\"pulse-node\",\"fw\":\"1.1.0\",\"boot\":%lu,\"streams\":["
        "{\"id\":1,\"kind\":\"ppg\",\"channels\":[\"ir\",\"red\"],\"rate_hz\":100.0,\"unit\":\"counts\"},"
        "{\"id\":2,\"kind\":\"pcg\",\"channels\":[\"mic\"],\"rate_hz\":4000.0,\"unit\":\"counts\"}]}",
        (unsigned long)esp_random());
    Wire.begin(PIN_SDA, PIN_SCL, 400000);
    try_sensor();
    microphone.setPins(PIN_BCLK, PIN_WS, -1, PIN_DIN);
    if (microphone.begin(I2S_MODE_STD, 16000, I2S_DATA_BIT_WIDTH_32BIT, I2S_SLOT_MODE_MONO, I2S_STD_SLOT_LEFT))
        xTaskCreatePinnedToCore(listen, "listen", 4096, NULL, 5, NULL, 0);
    else
        pcg_wrong = "microphone does not start";
    say_hello();
    if (esp_reset_reason() == ESP_RST_TASK_WDT || esp_reset_reason() == ESP_RST_INT_WDT)
        say_event(VITALS_WATCHDOG_RESET, "");
}

void loop()
{
    static uint32_t hello_ms, retry_ms;
    if (millis() - hello_ms >= 5000) {
        hello_ms = millis();
        say_hello();
    }
    if (!*ppg_wrong)
        read_sensor();
    else if (millis() - retry_ms >= 1000) {
        retry_ms = millis();
        try_sensor();
    }
    vitals_command command;
    while (Serial.available())
        if (vitals_receive(&receiver, (uint8_t)Serial.read(), &command))
            obey(command);
    delay(20);
}
