// What the lab needs from Linux and Swift's Glibc module does not show (GNU extensions), or shows only through
// untyped pointers. Addresses cross as numbers in the mapped form of `Model.IPAddress`. No logic.
// Every function returns what the system call returns, or a negative errno.
#pragma once
#include <stdint.h>
#include <sys/types.h>

struct clab_address {
    int32_t error;  // 0, or a negative errno
    uint64_t high;
    uint64_t low;
    uint16_t port;
};

struct clab_event {
    int32_t fd;
    uint32_t events;
};

static const uint32_t CLAB_IN = 0x1;
static const uint32_t CLAB_OUT = 0x4;
static const int CLAB_ADD = 1;
static const int CLAB_CHANGE = 3;

int clab_enter_network(int fd);
int clab_stream_socket(int v6);
int clab_datagram_socket(int v6);
int clab_option(int fd, int level, int name, int value);
int clab_timeouts(int fd, int64_t milliseconds);
int clab_bind(int fd, uint64_t high, uint64_t low, uint16_t port);
int clab_connect(int fd, uint64_t high, uint64_t low, uint16_t port);
int clab_accept(int fd, int flags);
struct clab_address clab_name(int fd, int peer);
long clab_send_mapped(int fd, const void *bytes, size_t count, uint64_t high, uint64_t low, uint16_t port);
long clab_receive_from(int fd, void *bytes, size_t capacity, struct clab_address *from);
void clab_reset(int fd);
int clab_epoll_create(void);
int clab_epoll_set(int epoll, int operation, int fd, uint32_t events);
int clab_epoll_wait(int epoll, struct clab_event *out, int capacity, int milliseconds);
int clab_spawn(char *const argv[], int input, int output, int error);
int clab_reap(int pid);
int clab_spin(int pid, int tid);
