// System calls and socket options that Swift's Glibc overlay does not import, or imports badly (variadic functions,
// packed structures, _GNU_SOURCE). One call a function, no logic: each returns what the call returned, or -errno where
// it failed, so that no caller reads the thread-local errno after other code has run.
#ifndef APUS_CLINUX_H
#define APUS_CLINUX_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

// Not in the libc headers of Debian 12.
enum { APUS_IPV6_TRANSPARENT = 75, APUS_SO_BUF_LOCK = 72 };
// The kernel's SCM_MAX_FD: descriptors in one message.
enum { APUS_DESCRIPTORS_MAX = 253 };

// An IPv4 (mapped) or IPv6 address as 128 bits in host byte order, and a port.
struct apus_address {
    uint64_t high;
    uint64_t low;
    uint16_t port;
};

// struct epoll_event: packed on x86-64 only, hence in two halves.
struct apus_event {
    uint32_t flags;
#if defined(__x86_64__)
    uint32_t token_low;
    uint32_t token_high;
#else
    uint32_t padding;
    uint32_t token_low;
    uint32_t token_high;
#endif
};
static const uint32_t APUS_READABLE = 0x1, APUS_URGENT = 0x2, APUS_WRITABLE = 0x4, APUS_ERROR = 0x8, APUS_HANGUP = 0x10,
                      APUS_PEER_CLOSED = 0x2000, APUS_EDGE = 1u << 31;

// What SO_MEMINFO says of a socket, bytes: what its receive queue takes, and its send queue.
struct apus_socket_memory {
    uint32_t receive;
    uint32_t send;
};

int apus_tcp_socket(int v4);
int apus_udp_socket(int v4);
/* The same file under the lowest free number from `least` on. */
int apus_duplicate_from(int fd, int least);
int apus_accept(int fd, struct apus_address *peer);
int apus_bind(int fd, const struct apus_address *a);
int apus_connect(int fd, const struct apus_address *a);
int apus_listen(int fd, int backlog);
int apus_local_address(int fd, struct apus_address *a);
int apus_set_option(int fd, int level, int option, int value);
int apus_mark(int fd, uint32_t *mark);
int apus_socket_error(int fd);
int apus_socket_memory(int fd, struct apus_socket_memory *memory);
int apus_linger_reset(int fd);
int apus_shutdown_write(int fd);
int apus_close(int fd);
ssize_t apus_receive(int fd, void *bytes, size_t count);
ssize_t apus_peek(int fd, void *bytes, size_t count);
ssize_t apus_send(int fd, const void *bytes, size_t count);
ssize_t apus_send_two(int fd, const void *first, size_t first_count, const void *second, size_t second_count);
int apus_listen_path(const char *path, int backlog);
int apus_lock_file(const char *path);
int apus_unshare_network(void);
int apus_open_network(void);
int apus_open_file(const char *path);
int apus_enter_network(int fd);
int apus_connect_path(const char *path);
int apus_peer_user(int fd, uint32_t *user);
ssize_t apus_send_descriptors(int fd, const void *bytes, size_t count, const int *fds, int fd_count);
ssize_t apus_receive_descriptors(int fd, void *bytes, size_t count, int *fds, int *fd_count);
int apus_set_blocking(int fd);
int apus_timeouts(int fd, int64_t milliseconds);
int apus_shutdown_both(int fd);
int apus_direct_group(int fd, uint32_t index);
int apus_undirect_group(int fd);
int apus_drop_handshakes(int fd);
int apus_epoll_create(void);
int apus_epoll_add(int epoll, int fd, uint32_t events, uint64_t token);
int apus_epoll_change(int epoll, int fd, uint32_t events, uint64_t token);
int apus_epoll_remove(int epoll, int fd);
int apus_epoll_wait(int epoll, struct apus_event *events, int count, int milliseconds);
// Since Linux 5.11.
int apus_epoll_wait_briefly(int epoll, struct apus_event *events, int count, int64_t nanoseconds);
int apus_eventfd(void);
int apus_eventfd_signal(int fd);
int apus_eventfd_clear(int fd);
int64_t apus_clock(int clock);
int apus_descriptor_limit(uint64_t *soft, uint64_t *hard);
int apus_set_descriptor_limit(uint64_t soft, uint64_t hard);
int apus_wait_end(int process, int milliseconds);
int apus_open_process(int process);
int apus_signal_process(int process_fd, int signal);
int apus_usable_cores(void);
void apus_name_thread(const char *name);
// The calling thread gets the nice value of the process's first thread, which is what `nice` and a service manager set: threads
// of Swift's own pools have one of their own, and hand it on.
void apus_share_priority(void);

// Netlink sockets that are told of every change: of nf_tables; of links, routes, rules and next hops.
int apus_watch_tables(void);
int apus_watch_routing(void);

// Gives free heap pages back to the kernel.
void apus_trim_heap(void);
// Unmaps the pages of code from this process; they stay in the page cache, and each comes back when it next runs.
void apus_release_code(void);

#endif
