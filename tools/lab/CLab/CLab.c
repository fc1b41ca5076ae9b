// See CLab.h. Apart from Swift, whose view of the C library must not meet _GNU_SOURCE.
#define _GNU_SOURCE
#include "CLab.h"

#include <arpa/inet.h>
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sched.h>
#include <signal.h>
#include <spawn.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/uio.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <unistd.h>

static int clab_result(long value) { return value < 0 ? -errno : (int)value; }

// Moves the calling thread, and only it, into the network namespace behind the descriptor.
int clab_enter_network(int fd) { return clab_result(setns(fd, CLONE_NEWNET)); }

static socklen_t clab_fill_v6(struct sockaddr_storage *out, uint64_t high, uint64_t low, uint16_t port) {
    memset(out, 0, sizeof *out);
    struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)out;
    v6->sin6_family = AF_INET6;
    v6->sin6_port = htons(port);
    for (int i = 0; i < 8; i++) {
        v6->sin6_addr.s6_addr[i] = (uint8_t)(high >> (56 - 8 * i));
        v6->sin6_addr.s6_addr[8 + i] = (uint8_t)(low >> (56 - 8 * i));
    }
    return sizeof *v6;
}

static socklen_t clab_fill(struct sockaddr_storage *out, uint64_t high, uint64_t low, uint16_t port) {
    if (high != 0 || low >> 32 != 0xffff) return clab_fill_v6(out, high, low, port);
    memset(out, 0, sizeof *out);
    struct sockaddr_in *v4 = (struct sockaddr_in *)out;
    v4->sin_family = AF_INET;
    v4->sin_port = htons(port);
    v4->sin_addr.s_addr = htonl((uint32_t)low);
    return sizeof *v4;
}

static struct clab_address clab_unfill(const struct sockaddr_storage *in) {
    struct clab_address out = {0, 0, 0, 0};
    if (in->ss_family == AF_INET) {
        const struct sockaddr_in *v4 = (const struct sockaddr_in *)in;
        out.low = 0x0000ffff00000000ull | ntohl(v4->sin_addr.s_addr);
        out.port = ntohs(v4->sin_port);
        return out;
    }
    const struct sockaddr_in6 *v6 = (const struct sockaddr_in6 *)in;
    for (int i = 0; i < 8; i++) {
        out.high = out.high << 8 | v6->sin6_addr.s6_addr[i];
        out.low = out.low << 8 | v6->sin6_addr.s6_addr[8 + i];
    }
    out.port = ntohs(v6->sin6_port);
    return out;
}

int clab_stream_socket(int v6) {
    return clab_result(socket(v6 ? AF_INET6 : AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
}

int clab_datagram_socket(int v6) {
    return clab_result(socket(v6 ? AF_INET6 : AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
}

int clab_option(int fd, int level, int name, int value) {
    return clab_result(setsockopt(fd, level, name, &value, sizeof value));
}

int clab_timeouts(int fd, int64_t milliseconds) {
    struct timeval time = {milliseconds / 1000, (milliseconds % 1000) * 1000};
    if (setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &time, sizeof time) < 0) return -errno;
    return clab_result(setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &time, sizeof time));
}

int clab_bind(int fd, uint64_t high, uint64_t low, uint16_t port) {
    struct sockaddr_storage address;
    socklen_t length = clab_fill(&address, high, low, port);
    return clab_result(bind(fd, (struct sockaddr *)&address, length));
}

int clab_connect(int fd, uint64_t high, uint64_t low, uint16_t port) {
    struct sockaddr_storage address;
    socklen_t length = clab_fill(&address, high, low, port);
    return clab_result(connect(fd, (struct sockaddr *)&address, length));
}

int clab_accept(int fd, int flags) { return clab_result(accept4(fd, 0, 0, flags | SOCK_CLOEXEC)); }

struct clab_address clab_name(int fd, int peer) {
    struct sockaddr_storage address;
    socklen_t length = sizeof address;
    memset(&address, 0, sizeof address);
    int status = (peer ? getpeername : getsockname)(fd, (struct sockaddr *)&address, &length);
    if (status < 0) return (struct clab_address){-errno, 0, 0, 0};
    return clab_unfill(&address);
}

// For a dual-stack socket: IPv4 targets go in their mapped form.
long clab_send_mapped(int fd, const void *bytes, size_t count, uint64_t high, uint64_t low, uint16_t port) {
    struct sockaddr_storage address;
    socklen_t length = clab_fill_v6(&address, high, low, port);
    long sent = sendto(fd, bytes, count, 0, (struct sockaddr *)&address, length);
    return sent < 0 ? -errno : sent;
}

long clab_receive_from(int fd, void *bytes, size_t capacity, struct clab_address *from) {
    struct sockaddr_storage address;
    socklen_t length = sizeof address;
    memset(&address, 0, sizeof address);
    long received = recvfrom(fd, bytes, capacity, 0, (struct sockaddr *)&address, &length);
    if (received < 0) return -errno;
    *from = clab_unfill(&address);
    return received;
}

// An abortive close: the peer sees RST.
void clab_reset(int fd) {
    struct linger now = {1, 0};
    setsockopt(fd, SOL_SOCKET, SO_LINGER, &now, sizeof now);
    close(fd);
}

int clab_epoll_create(void) { return clab_result(epoll_create1(EPOLL_CLOEXEC)); }

int clab_epoll_set(int epoll, int operation, int fd, uint32_t events) {
    struct epoll_event event;
    memset(&event, 0, sizeof event);
    event.events = events;
    event.data.fd = fd;
    return clab_result(epoll_ctl(epoll, operation, fd, &event));
}

int clab_epoll_wait(int epoll, struct clab_event *out, int capacity, int milliseconds) {
    struct epoll_event events[256];
    int count = epoll_wait(epoll, events, capacity < 256 ? capacity : 256, milliseconds);
    if (count < 0) return -errno;
    for (int i = 0; i < count; i++) {
        out[i].fd = events[i].data.fd;
        out[i].events = events[i].events;
    }
    return count;
}


// Starts a program found by PATH, with these descriptors as 0, 1 and 2 and default signals; its pid, or -errno.
int clab_spawn(char *const argv[], int input, int output, int error) {
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attributes;
    sigset_t none, all;
    pid_t pid = 0;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, input, 0);
    posix_spawn_file_actions_adddup2(&actions, output, 1);
    posix_spawn_file_actions_adddup2(&actions, error, 2);
    posix_spawnattr_init(&attributes);
    sigemptyset(&none);
    sigfillset(&all);
    posix_spawnattr_setsigmask(&attributes, &none);
    posix_spawnattr_setsigdefault(&attributes, &all);
    posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
    int failure = posix_spawnp(&pid, argv[0], &actions, &attributes, argv, environ);
    posix_spawnattr_destroy(&attributes);
    posix_spawn_file_actions_destroy(&actions);
    return failure ? -failure : pid;
}

// -EAGAIN while the child runs; then its exit status, or 256 + the signal that ended it.
int clab_reap(int pid) {
    int status = 0;
    int done = waitpid(pid, &status, WNOHANG);
    if (done < 0) return -errno;
    if (done == 0) return -EAGAIN;
    return WIFSIGNALED(status) ? 256 + WTERMSIG(status) : WEXITSTATUS(status);
}

// Where a program begins. Nothing runs there any more once it has.
static unsigned long clab_entry(int pid) {
    char path[32];
    snprintf(path, sizeof path, "/proc/%d/auxv", pid);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    unsigned long pair[2] = {0, 0};
    while (fd >= 0 && read(fd, pair, sizeof pair) == sizeof pair && pair[0] != AT_ENTRY) {}
    if (fd >= 0) close(fd);
    return pair[0] == AT_ENTRY ? pair[1] : 0;
}

// Makes one thread of a process run in a circle for ever: it uses CPU time and gets nowhere, as one does with a bug.
int clab_spin(int pid, int tid) {
    unsigned long entry = clab_entry(pid);
    if (entry == 0) return -ESRCH;
    if (ptrace(PTRACE_SEIZE, tid, 0, 0) < 0) return -errno;
    int status, result = clab_result(ptrace(PTRACE_INTERRUPT, tid, 0, 0));
    if (result >= 0) result = clab_result(waitpid(tid, &status, __WALL));
    struct user_regs_struct registers;
    struct iovec piece = {&registers, sizeof registers};
    if (result >= 0) result = clab_result(ptrace(PTRACE_GETREGSET, tid, NT_PRSTATUS, &piece));
    if (result >= 0) {
#if defined(__x86_64__)
        registers.rip = entry;
        registers.orig_rax = (unsigned long)-1;
        const long circle = 0xfeeb;  // jmp .
#else
        registers.pc = entry;
        const long circle = 0x14000000;  // b .
#endif
        result = clab_result(ptrace(PTRACE_POKETEXT, tid, entry, circle));
    }
    if (result >= 0) result = clab_result(ptrace(PTRACE_SETREGSET, tid, NT_PRSTATUS, &piece));
    ptrace(PTRACE_DETACH, tid, 0, 0);
    return result < 0 ? result : 0;
}
