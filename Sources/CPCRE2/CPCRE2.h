// PCRE2 for texts of bytes. System library: Debian's libpcre2-dev.
#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>
