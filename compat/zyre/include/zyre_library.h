/* What all of the interface stands on: czmq's types, the versions, the two classes. */

#ifndef ZYRE_LIBRARY_H_INCLUDED
#define ZYRE_LIBRARY_H_INCLUDED

#include <czmq.h>

#define ZYRE_VERSION_MAJOR 2
#define ZYRE_VERSION_MINOR 0
#define ZYRE_VERSION_PATCH 1
#define ZYRE_MAKE_VERSION(major, minor, patch) ((major) * 10000 + (minor) * 100 + (patch))
#define ZYRE_VERSION \
    ZYRE_MAKE_VERSION (ZYRE_VERSION_MAJOR, ZYRE_VERSION_MINOR, ZYRE_VERSION_PATCH)

#define ZYRE_EXPORT __attribute__ ((visibility ("default")))

/* The UDP port that is assigned to ZRE. */
#define ZRE_DISCOVERY_PORT 5670

typedef struct _zyre_t zyre_t;
#define ZYRE_T_DEFINED
typedef struct _zyre_event_t zyre_event_t;
#define ZYRE_EVENT_T_DEFINED

#include "zyre.h"
#include "zyre_event.h"

#endif
