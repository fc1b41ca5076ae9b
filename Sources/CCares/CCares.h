// The resolver c-ares. System library: Debian's libc-ares-dev.
#include <ares.h>
#include <ares_version.h>
#include <sys/eventfd.h>
