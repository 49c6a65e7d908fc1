/* What the test programs share. */

#ifndef CHECK_H
#define CHECK_H

#include <bitsup.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CHECK(condition)                                                      \
  do {                                                                        \
    if (!(condition)) {                                                       \
      fprintf(stderr, "%s:%d: not so: %s\n", __FILE__, __LINE__, #condition); \
      exit(1);                                                                \
    }                                                                         \
  } while (0)

/* The call has this status, and an error if it must have one. */
#define GIVES(wanted, call)                                                   \
  do {                                                                        \
    bitsup_error *error = (bitsup_error *)1; /* need not be initialised */    \
    bitsup_status got = (call);                                               \
    if (got != BITSUP_STATUS_##wanted) {                                      \
      fprintf(stderr, "%s:%d: %s: %s\n", __FILE__, __LINE__,                  \
              bitsup_status_name((uint32_t)got), bitsup_error_message(error)); \
      exit(1);                                                                \
    }                                                                         \
    CHECK((error != NULL) ==                                                  \
          (got != BITSUP_STATUS_OK && got != BITSUP_STATUS_PENDING));         \
    CHECK(bitsup_error_status(error) ==                                       \
          (error ? got : BITSUP_STATUS_OK));                                  \
    bitsup_error_free(error);                                                 \
  } while (0)

#endif
