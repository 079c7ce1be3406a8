/* The device's half of the edge-vitals serial format, version 1 (see ../README.md).
 *
 * Portable C99: no allocation, nothing of libc but memcpy. The caller owns every byte: a sender holds one number, a
 * receiver one buffer. A frame is built in the caller's buffer and returned ready to send, its final zero included.
 * Nothing here locks: where two tasks, or a task and an interrupt, send, only one may from the call to the last byte.
 */
#ifndef VITALS_SENDER_H
#define VITALS_SENDER_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

enum {
    VITALS_VERSION = 1,
    VITALS_MAX_ENCODED = 1024, /* bytes on the wire, final zero included */
    VITALS_MAX_FRAME = 1018,   /* bytes before stuffing */
    VITALS_MAX_HELLO = 700,
    VITALS_MAX_SAMPLE_BYTES = 998,
    VITALS_MAX_EVENT_DETAIL = 64,
    VITALS_MAX_COMMAND = 256 /* bytes of a stuffed command from the host */
};

enum { VITALS_INT16 = 1, VITALS_INT24 = 2, VITALS_INT32 = 3, VITALS_UINT8 = 4 };
enum { VITALS_SATURATED = 1, VITALS_SENSOR_OFF = 2, VITALS_OVERRUN = 4 };
enum { VITALS_BUTTON = 1, VITALS_LOW_BATTERY = 2, VITALS_SENSOR_ERROR = 3, VITALS_WATCHDOG_RESET = 4 };
enum {
    VITALS_HELLO = 1,
    VITALS_DATA = 2,
    VITALS_EVENT = 3,
    VITALS_REQUEST_HELLO = 16,
    VITALS_START = 17,
    VITALS_STOP = 18,
    VITALS_SET = 19,
    VITALS_ACK = 20
};

/* Counts the frames of this side. Zero it at start. */
typedef struct {
    uint16_t frame_seq;
} vitals_sender;

/* What a DATA frame says of its samples; index and device_us are those of the first one. */
typedef struct {
    uint8_t stream, format, channels, flags;
    uint16_t count; /* per channel */
    uint32_t index, device_us;
} vitals_block;

/* Every function below writes one frame to `out`, which has room for VITALS_MAX_ENCODED bytes, and returns its length,
 * or 0 when what it was given does not fit into a frame. */

/* json: the device and its streams as one JSON object of at most VITALS_MAX_HELLO bytes. */
size_t vitals_hello(vitals_sender *s, const char *json, size_t length, uint8_t *out);

/* samples: little-endian, interleaved by channel, of the block's format. */
size_t vitals_data(vitals_sender *s, const vitals_block *block, const void *samples, uint8_t *out);

/* detail: UTF-8, at most VITALS_MAX_EVENT_DETAIL bytes. */
size_t vitals_event(vitals_sender *s, uint8_t code, uint32_t device_us, const char *detail, size_t length, uint8_t *out);

/* result: 0 = done. type and frame_seq are those of the command. */
size_t vitals_ack(vitals_sender *s, uint8_t type, uint16_t frame_seq, uint8_t result, uint8_t *out);

/* A command from the host; body points into the receiver and holds until the next byte is fed. */
typedef struct {
    uint8_t type;
    uint16_t frame_seq;
    const uint8_t *body;
    size_t length;
} vitals_command;

/* Zero it at start. */
typedef struct {
    uint8_t held[VITALS_MAX_COMMAND];
    uint16_t length;
    uint8_t too_long;
} vitals_receiver;

/* Feed one byte; 1 when it completed a command, which is then in `command`. Garbage is skipped to the next zero. */
int vitals_receive(vitals_receiver *r, uint8_t byte, vitals_command *command);

#ifdef __cplusplus
}
#endif
#endif
