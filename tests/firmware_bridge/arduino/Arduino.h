/* What pulse_node.ino uses of Arduino, I2C, I2S and FreeRTOS, over a small world in virtual time (sketch_world.cpp). */
#ifndef ARDUINO_H
#define ARDUINO_H

#include <stdint.h>
#include <stdio.h>
#include <string.h>

void delay(uint32_t ms);
uint32_t millis();
uint32_t esp_random();

enum { ESP_RST_POWERON = 1, ESP_RST_INT_WDT = 5, ESP_RST_TASK_WDT = 6 };
int esp_reset_reason();

typedef int *SemaphoreHandle_t;
enum { portMAX_DELAY = -1 };
SemaphoreHandle_t xSemaphoreCreateMutex();
void xSemaphoreTake(SemaphoreHandle_t, int);
void xSemaphoreGive(SemaphoreHandle_t);
void xTaskCreatePinnedToCore(void (*task)(void *), const char *, int, void *, int, void *, int);

struct SerialPort {
    void setTxBufferSize(int) {}
    void begin(uint32_t) {}
    size_t write(const uint8_t *data, size_t length);
    int available();
    int read();
};
extern SerialPort Serial;
#endif
