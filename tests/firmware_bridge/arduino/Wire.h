#ifndef WIRE_H
#define WIRE_H
#include "Arduino.h"

struct TwoWire {
    void begin(int, int, uint32_t) {}
    void beginTransmission(uint8_t);
    void write(uint8_t);
    int endTransmission(bool stop = true);
    int requestFrom(uint8_t, uint8_t);
    int read();
};
extern TwoWire Wire;
#endif
