#ifndef ESP_I2S_H
#define ESP_I2S_H
#include "Arduino.h"

enum { I2S_MODE_STD, I2S_DATA_BIT_WIDTH_32BIT, I2S_SLOT_MODE_MONO, I2S_STD_SLOT_LEFT };

struct I2SClass {
    void setPins(int, int, int, int) {}
    bool begin(int, uint32_t, int, int, int);
    size_t readBytes(char *, size_t);
};
#endif
