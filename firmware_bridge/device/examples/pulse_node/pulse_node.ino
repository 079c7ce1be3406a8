/* ESP32 with a MAX30102 (finger, I2C) and an I2S microphone (INMP441 or alike): PPG at 100 Hz, heart sound at 4 kHz.
 *
 * Put vitals_sender.h and vitals_sender.c beside this file. Board: "ESP32 Dev Module" (or S3, C3) of the esp32 core
 * 3.x; nothing else to install. Wiring: README.md of this folder's parent.
 *
 * Two tasks: this one reads the MAX30102's own FIFO, whose crystal makes the sample clock, and answers the host;
 * another reads the microphone, which blocks until its samples are there. A mutex keeps frames whole.
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
enum { TAPS = 32 };

static vitals_sender sender;
static vitals_receiver receiver;
static uint8_t out[VITALS_MAX_ENCODED];
static SemaphoreHandle_t line;
static I2SClass microphone;
static char hello[VITALS_MAX_HELLO];
static size_t hello_length;
static volatile bool ppg_on = true, pcg_on = true;
static bool sensor_there;

static void put(size_t length) { Serial.write(out, length); }

static void say_hello()
{
    xSemaphoreTake(line, portMAX_DELAY);
    put(vitals_hello(&sender, hello, hello_length, out));
    xSemaphoreGive(line);
}

static void say_event(uint8_t code, const char *detail)
{
    xSemaphoreTake(line, portMAX_DELAY);
    put(vitals_event(&sender, code, (uint32_t)esp_timer_get_time(), detail, strlen(detail), out));
    xSemaphoreGive(line);
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

static uint32_t ppg_index;

static void read_sensor()
{
    static int32_t samples[2 * PPG_FRAME];
    static size_t held;
    static uint32_t first_us;
    static uint8_t flags;
    int head = read_register(0x04), tail = read_register(0x06), lost = read_register(0x05);
    if (head < 0 || tail < 0 || lost < 0) {
        if (sensor_there)
            say_event(VITALS_SENSOR_ERROR, "MAX30102 does not answer");
        sensor_there = false;
        return;
    }
    if (lost > 0) { /* the index tells the truth: what the chip threw away is counted as taken */
        if (held) {
            const vitals_block cut = {1, VITALS_INT32, 2, flags, (uint16_t)held, ppg_index - (uint32_t)held, first_us};
            if (ppg_on)
                send_block(cut, samples);
            held = 0;
        }
        ppg_index += (uint32_t)lost;
        flags = VITALS_OVERRUN;
        write_register(0x05, 0);
    }
    uint32_t now_us = (uint32_t)esp_timer_get_time();
    int waiting = (head - tail) & 31;
    if (lost > 0 && waiting == 0)
        waiting = 32;
    for (int k = 0; k < waiting; k++) {
        uint8_t raw[6];
        Wire.beginTransmission(MAX30102);
        Wire.write(0x07);
        Wire.endTransmission(false);
        if (Wire.requestFrom(MAX30102, (uint8_t)6) != 6)
            return;
        for (uint8_t &byte : raw)
            byte = (uint8_t)Wire.read();
        uint32_t red = ((uint32_t)(raw[0] & 3) << 16) | ((uint32_t)raw[1] << 8) | raw[2];
        uint32_t infrared = ((uint32_t)(raw[3] & 3) << 16) | ((uint32_t)raw[4] << 8) | raw[5];
        if (!held)
            first_us = now_us - (uint32_t)(waiting - 1 - k) * 10000u;
        samples[2 * held] = (int32_t)infrared;
        samples[2 * held + 1] = (int32_t)red;
        if (infrared < FINGER)
            flags |= VITALS_SENSOR_OFF;
        if (infrared >= FULL || red >= FULL)
            flags |= VITALS_SATURATED;
        held++, ppg_index++;
        if (held == PPG_FRAME) {
            const vitals_block block = {1, VITALS_INT32, 2, flags, PPG_FRAME, ppg_index - PPG_FRAME, first_us};
            if (ppg_on)
                send_block(block, samples);
            held = 0, flags = 0;
        }
    }
}

/* ---- microphone ------------------------------------------------------------------------------------------------ */

static void listen(void *)
{
    static int32_t taken[4 * PCG_FRAME]; /* 16 kHz: microphones of this kind do not run at 4 kHz */
    static int16_t samples[PCG_FRAME];
    /* Low pass for the step down to 4 kHz: flat to 800 Hz, and little left of what would fold back below that. */
    static const int16_t taps[TAPS] = {-2, -2, 5, 16, 27, 26, 3, -43, -96, -124, -90, 33, 239, 489, 716, 851,
                                      851, 716, 489, 239, 33, -90, -124, -96, -43, 3, 26, 27, 16, 5, -2, -2};
    static int32_t history[TAPS];
    uint32_t index = 0;
    for (;;) {
        size_t got = microphone.readBytes((char *)taken, sizeof taken);
        uint32_t end_us = (uint32_t)esp_timer_get_time();
        if (got != sizeof taken)
            continue;
        uint8_t flags = 0;
        for (size_t k = 0; k < 4 * PCG_FRAME; k++) {
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
        const vitals_block block = {2, VITALS_INT16, 1, flags, PCG_FRAME, index, end_us - PCG_FRAME * 250u};
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
    if (command.type == VITALS_SET || command.length != 1)
        result = 1; /* this node has nothing to set */
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
        "{\"device\":\"pulse-node\",\"fw\":\"1.0.0\",\"boot\":%lu,\"streams\":["
        "{\"id\":1,\"kind\":\"ppg\",\"channels\":[\"ir\",\"red\"],\"rate_hz\":100.0,\"unit\":\"counts\"},"
        "{\"id\":2,\"kind\":\"pcg\",\"channels\":[\"mic\"],\"rate_hz\":4000.0,\"unit\":\"counts\"}]}",
        (unsigned long)esp_random());
    say_hello();
    if (esp_reset_reason() == ESP_RST_TASK_WDT || esp_reset_reason() == ESP_RST_INT_WDT)
        say_event(VITALS_WATCHDOG_RESET, "");
    Wire.begin(PIN_SDA, PIN_SCL, 400000);
    microphone.setPins(PIN_BCLK, PIN_WS, -1, PIN_DIN);
    if (microphone.begin(I2S_MODE_STD, 16000, I2S_DATA_BIT_WIDTH_32BIT, I2S_SLOT_MODE_MONO, I2S_STD_SLOT_LEFT))
        xTaskCreatePinnedToCore(listen, "listen", 4096, NULL, 5, NULL, 0);
    else
        say_event(VITALS_SENSOR_ERROR, "microphone does not start");
}

void loop()
{
    static uint32_t hello_ms, retry_ms;
    if (millis() - hello_ms >= 5000) {
        hello_ms = millis();
        say_hello();
    }
    if (sensor_there)
        read_sensor();
    else if (millis() - retry_ms >= 1000) {
        retry_ms = millis();
        sensor_there = start_sensor();
    }
    vitals_command command;
    while (Serial.available())
        if (vitals_receive(&receiver, (uint8_t)Serial.read(), &command))
            obey(command);
    delay(20);
}
