// SPDX-License-Identifier: Apache-2.0
// A program of someone else, in C. It opens no store and makes no sandbox; it proves that the header is found, that everything
// links, and that the library finds the guest program that it was installed with.
#include <sandboxkit.h>

#include <stdio.h>
#include <string.h>

int main(void) {
    sbk_queue *queue;
    sbk_event *event;
    sbk_engine_options options;
    int guest_found = 0;
    printf("sandboxkit %s\n", sbk_version());
    memset(&options, 0, sizeof options);
    options.struct_size = sizeof options;
    if (sbk_queue_new(&queue) != SBK_OK || sbk_doctor(NULL, queue, 1, &options) != SBK_OK ||
        sbk_queue_next(&event, queue, -1) != SBK_OK)
        return 1;
    for (int i = 0;; ++i) {
        char pointer[32];
        const char *name, *status;
        snprintf(pointer, sizeof pointer, "/%d/name", i);
        if (!(name = sbk_event_text(event, pointer, SBK_NUL, NULL))) break;
        snprintf(pointer, sizeof pointer, "/%d/status", i);
        status = sbk_event_text(event, pointer, SBK_NUL, NULL);
        printf("%s: %s\n", name, status);
        if (strcmp(name, "guest program") == 0 && strcmp(status, "ok") == 0) guest_found = 1;
    }
    sbk_event_free(event);
    sbk_queue_free(queue);
    if (!guest_found) fputs("the guest program was not found\n", stderr);
    return guest_found ? 0 : 1;
}
