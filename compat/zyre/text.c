/* Text of other forms. */

#include <ctype.h>

#include "node.h"

void
uuid_text (char to[UUID_TEXT], const char *uuid)
{
    size_t digits = 0;
    for (; uuid && *uuid && digits < UUID_TEXT - 1; uuid++)
        if (*uuid != '-')
            to[digits++] = (char) toupper ((unsigned char) *uuid);
    to[digits] = 0;
}

bool
is_uuid (const char *text)
{
    size_t digits = 0;
    for (; *text; text++) {
        if (isxdigit ((unsigned char) *text))
            digits++;
        else
        if (*text != '-')
            return false;
    }
    return digits == UUID_TEXT - 1;
}
