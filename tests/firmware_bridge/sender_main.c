/* The C sender behind a line protocol, for the test that compares it with the Python side.
 *
 *   hello JSONHEX | data STREAM FORMAT CHANNELS FLAGS COUNT INDEX US SAMPLESHEX | event CODE US DETAILHEX
 *   ack TYPE SEQ RESULT | seq N | receive BYTESHEX
 * Each line is answered by one: the frame in hex ("-" when refused), or the commands received. */
#include <stdio.h>
#include <string.h>

#include "vitals_sender.h"

static uint8_t bytes[8192], out[VITALS_MAX_ENCODED + 8];

static size_t from_hex(const char *text)
{
    size_t n = 0;
    unsigned value;
    if (text[0] == '-')
        return 0;
    while (sscanf(text + 2 * n, "%2x", &value) == 1)
        bytes[n++] = (uint8_t)value;
    return n;
}

static void show(const uint8_t *data, size_t length)
{
    if (!length)
        printf("-");
    for (size_t i = 0; i < length; i++)
        printf("%02x", data[i]);
}

int main(void)
{
    static char line[20000], word[16], hex[17000];
    static vitals_sender sender;
    static vitals_receiver receiver;
    while (fgets(line, sizeof line, stdin)) {
        unsigned a = 0, b = 0, c = 0, d = 0, e = 0, f = 0, g = 0;
        memset(out, 0xA5, sizeof out);
        sscanf(line, "%15s", word);
        if (!strcmp(word, "hello")) {
            sscanf(line, "%*s %16999s", hex);
            size_t n = from_hex(hex);
            show(out, vitals_hello(&sender, (const char *)bytes, n, out));
        } else if (!strcmp(word, "data")) {
            sscanf(line, "%*s %u %u %u %u %u %u %u %16999s", &a, &b, &c, &d, &e, &f, &g, hex);
            from_hex(hex);
            vitals_block block = {(uint8_t)a, (uint8_t)b, (uint8_t)c, (uint8_t)d, (uint16_t)e, f, g};
            show(out, vitals_data(&sender, &block, bytes, out));
        } else if (!strcmp(word, "event")) {
            sscanf(line, "%*s %u %u %16999s", &a, &b, hex);
            size_t n = from_hex(hex);
            show(out, vitals_event(&sender, (uint8_t)a, b, n ? (const char *)bytes : NULL, n, out));
        } else if (!strcmp(word, "ack")) {
            sscanf(line, "%*s %u %u %u", &a, &b, &c);
            show(out, vitals_ack(&sender, (uint8_t)a, (uint16_t)b, (uint8_t)c, out));
        } else if (!strcmp(word, "seq")) {
            sscanf(line, "%*s %u", &a);
            sender.frame_seq = (uint16_t)a;
        } else if (!strcmp(word, "receive")) {
            sscanf(line, "%*s %16999s", hex);
            size_t n = from_hex(hex);
            static uint8_t copy[8192];
            memcpy(copy, bytes, n);
            for (size_t i = 0; i < n; i++) {
                vitals_command command;
                if (vitals_receive(&receiver, copy[i], &command)) {
                    printf("%u %u ", command.type, command.frame_seq);
                    show(command.body, command.length);
                    printf(";");
                }
            }
        }
        for (size_t i = VITALS_MAX_ENCODED; i < sizeof out; i++)
            if (out[i] != 0xA5)
                printf(" OVERRUN");
        printf("\n");
        fflush(stdout);
    }
    return 0;
}
