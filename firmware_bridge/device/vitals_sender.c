#include "vitals_sender.h"

#include <string.h>

enum { HEAD = 4, DATA_HEAD = 14, CRC = 2 };

/* CRC-16/CCITT-FALSE, bit by bit: a table would cost more flash than the time is worth. */
static uint16_t crc16(const uint8_t *data, size_t length)
{
    uint16_t crc = 0xFFFF;
    while (length--) {
        crc ^= (uint16_t)((uint16_t)*data++ << 8);
        for (int bit = 0; bit < 8; bit++)
            crc = (uint16_t)(crc & 0x8000 ? (crc << 1) ^ 0x1021 : crc << 1);
    }
    return crc;
}

static uint16_t get16(const uint8_t *at)
{
    return (uint16_t)(at[0] | (uint16_t)at[1] << 8);
}

static void put16(uint8_t *at, uint16_t value)
{
    at[0] = (uint8_t)value;
    at[1] = (uint8_t)(value >> 8);
}

static void put32(uint8_t *at, uint32_t value)
{
    put16(at, (uint16_t)value);
    put16(at + 2, (uint16_t)(value >> 16));
}

/* Close the frame that stands at out + room and stuff it in place: the stuffed bytes start at out and never catch up
 * with those still to be read, since there is one byte of room for every 254 and one more. */
enum { ROOM = 6 };

static size_t finish(vitals_sender *s, uint8_t type, size_t body, uint8_t *out)
{
    uint8_t *frame = out + ROOM;
    size_t length = HEAD + body + CRC, code = 0, to = 1;
    frame[0] = VITALS_VERSION;
    frame[1] = type;
    put16(frame + 2, s->frame_seq++);
    put16(frame + HEAD + body, crc16(frame, HEAD + body));
    for (size_t from = 0; from < length; from++) {
        uint8_t byte = frame[from];
        if (byte)
            out[to++] = byte;
        if (!byte || to - code == 255) {
            out[code] = (uint8_t)(to - code);
            code = to++;
        }
    }
    out[code] = (uint8_t)(to - code);
    out[to++] = 0;
    return to;
}

static uint8_t *body_of(uint8_t *out)
{
    return out + ROOM + HEAD;
}

/* memcpy may not be given NULL, not even for nothing. */
static void copy(uint8_t *to, const void *from, size_t length)
{
    if (length)
        memcpy(to, from, length);
}

size_t vitals_hello(vitals_sender *s, const char *json, size_t length, uint8_t *out)
{
    if (length > VITALS_MAX_HELLO)
        return 0;
    copy(body_of(out), json, length);
    return finish(s, VITALS_HELLO, length, out);
}

size_t vitals_data(vitals_sender *s, const vitals_block *block, const void *samples, uint8_t *out)
{
    static const uint8_t widths[] = {0, 2, 3, 4, 1};
    uint8_t *at = body_of(out);
    uint32_t bytes; /* where size_t has 16 bits the product would wrap, and what does not fit seem to fit */
    if (block->format < VITALS_INT16 || block->format > VITALS_UINT8 || block->channels < 1 || block->channels > 8)
        return 0;
    bytes = (uint32_t)block->count * block->channels * widths[block->format];
    if (bytes < 1 || bytes > VITALS_MAX_SAMPLE_BYTES)
        return 0;
    at[0] = block->stream;
    at[1] = block->format;
    at[2] = block->channels;
    at[3] = block->flags;
    put16(at + 4, block->count);
    put32(at + 6, block->index);
    put32(at + 10, block->device_us);
    copy(at + DATA_HEAD, samples, (size_t)bytes);
    return finish(s, VITALS_DATA, DATA_HEAD + (size_t)bytes, out);
}

size_t vitals_event(vitals_sender *s, uint8_t code, uint32_t device_us, const char *detail, size_t length, uint8_t *out)
{
    uint8_t *at = body_of(out);
    if (length > VITALS_MAX_EVENT_DETAIL)
        return 0;
    at[0] = code;
    put32(at + 1, device_us);
    copy(at + 5, detail, length);
    return finish(s, VITALS_EVENT, 5 + length, out);
}

size_t vitals_ack(vitals_sender *s, uint8_t type, uint16_t frame_seq, uint8_t result, uint8_t *out)
{
    uint8_t *at = body_of(out);
    at[0] = type;
    put16(at + 1, frame_seq);
    at[3] = result;
    return finish(s, VITALS_ACK, 4, out);
}

/* Unstuff in place; the length, or 0 when a code points past the end. */
static size_t unstuff(uint8_t *data, size_t length)
{
    size_t from = 0, to = 0;
    while (from < length) {
        uint8_t code = data[from++];
        if (code == 0 || from + code - 1 > length)
            return 0;
        for (uint8_t i = 1; i < code; i++)
            data[to++] = data[from++];
        if (code < 255 && from < length)
            data[to++] = 0;
    }
    return to;
}

int vitals_receive(vitals_receiver *r, uint8_t byte, vitals_command *command)
{
    size_t length = r->length;
    uint8_t *data = r->held;
    if (byte) {
        if (length < VITALS_MAX_COMMAND)
            data[r->length++] = byte;
        else
            r->too_long = 1;
        return 0;
    }
    r->length = 0;
    if (r->too_long) {
        r->too_long = 0;
        return 0;
    }
    length = unstuff(data, length);
    if (length < HEAD + CRC || data[0] != VITALS_VERSION)
        return 0;
    length -= CRC;
    if (crc16(data, length) != get16(data + length))
        return 0;
    if (data[1] < VITALS_REQUEST_HELLO || data[1] > VITALS_SET)
        return 0;
    command->type = data[1];
    command->frame_seq = get16(data + 2);
    command->body = data + HEAD;
    command->length = length - HEAD;
    return 1;
}
