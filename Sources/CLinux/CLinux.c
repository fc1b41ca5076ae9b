// See CLinux.h. Compiled apart from Swift so that _GNU_SOURCE here and Swift's view of the C library do not meet.
#define _GNU_SOURCE
#include "CLinux.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <link.h>
#include <linux/filter.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <linux/sock_diag.h>
#include <malloc.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#define APUS_RESULT(call) ({ __typeof__(call) result_ = (call); result_ < 0 ? -(__typeof__(call))errno : result_; })

static int apus_is_v4(const struct apus_address *a) { return a->high == 0 && (a->low >> 32) == 0xffff; }

static socklen_t apus_to_sockaddr(const struct apus_address *a, struct sockaddr_storage *s) {
    memset(s, 0, sizeof *s);
    if (apus_is_v4(a)) {
        struct sockaddr_in *in = (struct sockaddr_in *)s;
        in->sin_family = AF_INET;
        in->sin_port = htons(a->port);
        in->sin_addr.s_addr = htonl((uint32_t)a->low);
        return sizeof *in;
    }
    struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)s;
    in6->sin6_family = AF_INET6;
    in6->sin6_port = htons(a->port);
    for (int i = 0; i < 8; i++) {
        in6->sin6_addr.s6_addr[i] = (uint8_t)(a->high >> (56 - 8 * i));
        in6->sin6_addr.s6_addr[8 + i] = (uint8_t)(a->low >> (56 - 8 * i));
    }
    return sizeof *in6;
}

static struct apus_address apus_from_sockaddr(const struct sockaddr_storage *s) {
    struct apus_address a = {0, 0, 0};
    if (s->ss_family == AF_INET) {
        const struct sockaddr_in *in = (const struct sockaddr_in *)s;
        a.low = 0xffff00000000ull | ntohl(in->sin_addr.s_addr);
        a.port = ntohs(in->sin_port);
    } else if (s->ss_family == AF_INET6) {
        const struct sockaddr_in6 *in6 = (const struct sockaddr_in6 *)s;
        for (int i = 0; i < 8; i++) {
            a.high = a.high << 8 | in6->sin6_addr.s6_addr[i];
            a.low = a.low << 8 | in6->sin6_addr.s6_addr[8 + i];
        }
        a.port = ntohs(in6->sin6_port);
    }
    return a;
}

_Static_assert(sizeof(struct apus_event) == sizeof(struct epoll_event), "the kernel's layout");
_Static_assert(APUS_READABLE == EPOLLIN && APUS_URGENT == EPOLLPRI && APUS_WRITABLE == EPOLLOUT && APUS_PEER_CLOSED == EPOLLRDHUP &&
                   APUS_HANGUP == EPOLLHUP && APUS_ERROR == EPOLLERR && APUS_EDGE == EPOLLET,
               "the kernel's numbers");

// Sockets. All are non-blocking and close-on-exec.
int apus_tcp_socket(int v4) {
    return APUS_RESULT(socket(v4 ? AF_INET : AF_INET6, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
}
int apus_udp_socket(int v4) {
    return APUS_RESULT(socket(v4 ? AF_INET : AF_INET6, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
}
int apus_duplicate_from(int fd, int least) { return APUS_RESULT(fcntl(fd, F_DUPFD_CLOEXEC, least)); }
int apus_accept(int fd, struct apus_address *peer) {
    struct sockaddr_storage s;
    socklen_t n = sizeof s;
    int result = APUS_RESULT(accept4(fd, (struct sockaddr *)&s, &n, SOCK_NONBLOCK | SOCK_CLOEXEC));
    if (result >= 0) *peer = apus_from_sockaddr(&s);
    return result;
}
int apus_bind(int fd, const struct apus_address *a) {
    struct sockaddr_storage s;
    socklen_t n = apus_to_sockaddr(a, &s);
    return APUS_RESULT(bind(fd, (struct sockaddr *)&s, n));
}
int apus_connect(int fd, const struct apus_address *a) {
    struct sockaddr_storage s;
    socklen_t n = apus_to_sockaddr(a, &s);
    return APUS_RESULT(connect(fd, (struct sockaddr *)&s, n));
}
int apus_listen(int fd, int backlog) { return APUS_RESULT(listen(fd, backlog)); }
int apus_local_address(int fd, struct apus_address *a) {
    struct sockaddr_storage s;
    socklen_t n = sizeof s;
    int result = APUS_RESULT(getsockname(fd, (struct sockaddr *)&s, &n));
    if (result >= 0) *a = apus_from_sockaddr(&s);
    return result;
}
int apus_set_option(int fd, int level, int option, int value) {
    return APUS_RESULT(setsockopt(fd, level, option, &value, sizeof value));
}
int apus_socket_memory(int fd, struct apus_socket_memory *memory) {
    uint32_t values[SK_MEMINFO_VARS] = {0};
    socklen_t n = sizeof values;
    int result = APUS_RESULT(getsockopt(fd, SOL_SOCKET, SO_MEMINFO, values, &n));
    memory->receive = values[SK_MEMINFO_RMEM_ALLOC];
    memory->send = values[SK_MEMINFO_WMEM_QUEUED];
    return result;
}
int apus_mark(int fd, uint32_t *mark) {
    socklen_t n = sizeof *mark;
    return APUS_RESULT(getsockopt(fd, SOL_SOCKET, SO_MARK, mark, &n));
}
int apus_socket_error(int fd) {
    int value = 0;
    socklen_t n = sizeof value;
    int result = APUS_RESULT(getsockopt(fd, SOL_SOCKET, SO_ERROR, &value, &n));
    return result < 0 ? result : -value;
}
int apus_linger_reset(int fd) {
    struct linger l = {1, 0};
    return APUS_RESULT(setsockopt(fd, SOL_SOCKET, SO_LINGER, &l, sizeof l));
}
int apus_shutdown_write(int fd) { return APUS_RESULT(shutdown(fd, SHUT_WR)); }
int apus_close(int fd) { return APUS_RESULT(close(fd)); }
// The libc's own recv, send and epoll_wait are cancellation points, which each costs twenty instructions more than this.
ssize_t apus_receive(int fd, void *bytes, size_t count) {
    return APUS_RESULT(syscall(SYS_recvfrom, fd, bytes, count, 0, NULL, NULL));
}
ssize_t apus_peek(int fd, void *bytes, size_t count) {
    return APUS_RESULT(syscall(SYS_recvfrom, fd, bytes, count, MSG_PEEK, NULL, NULL));
}
ssize_t apus_send(int fd, const void *bytes, size_t count) {
    return APUS_RESULT(syscall(SYS_sendto, fd, bytes, count, MSG_NOSIGNAL, NULL, 0));
}
ssize_t apus_send_two(int fd, const void *first, size_t first_count, const void *second, size_t second_count) {
    struct iovec pieces[2] = {{(void *)first, first_count}, {(void *)second, second_count}};
    struct msghdr message = {.msg_iov = pieces, .msg_iovlen = 2};
    return APUS_RESULT(syscall(SYS_sendmsg, fd, &message, MSG_NOSIGNAL));
}

static int apus_path_socket(const char *path, struct sockaddr_un *address) {
    size_t length = strlen(path);
    if (length > sizeof address->sun_path - 1) return -ENAMETOOLONG;
    memset(address, 0, sizeof *address);
    address->sun_family = AF_UNIX;
    memcpy(address->sun_path, path, length);
    return APUS_RESULT(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
}
static int apus_close_if(int failure, int fd) {
    if (failure >= 0) return fd;
    close(fd);
    return failure;
}
int apus_listen_path(const char *path, int backlog) {
    struct sockaddr_un address;
    int fd = apus_path_socket(path, &address);
    if (fd < 0) return fd;
    int result = APUS_RESULT(unlink(path));
    if (result == -ENOENT) result = 0;
    if (result >= 0) result = APUS_RESULT(bind(fd, (struct sockaddr *)&address, sizeof address));
    if (result >= 0) result = APUS_RESULT(listen(fd, backlog));
    return apus_close_if(result, fd);
}
// -EAGAIN: another process holds it.
int apus_lock_file(const char *path) {
    int fd = APUS_RESULT(open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600));
    if (fd < 0) return fd;
    struct stat held, named;
    int result = APUS_RESULT(flock(fd, LOCK_EX | LOCK_NB));
    if (result >= 0) result = APUS_RESULT(fstat(fd, &held));
    if (result >= 0) result = APUS_RESULT(stat(path, &named));
    // Whoever held it before may have removed it: a lock that nobody else can find is none.
    if (result >= 0 && (held.st_ino != named.st_ino || held.st_dev != named.st_dev)) result = -EAGAIN;
    return apus_close_if(result == -ENOENT ? -EAGAIN : result, fd);
}
int apus_connect_path(const char *path) {
    struct sockaddr_un address;
    int fd = apus_path_socket(path, &address);
    return fd < 0 ? fd : apus_close_if(APUS_RESULT(connect(fd, (struct sockaddr *)&address, sizeof address)), fd);
}
int apus_peer_user(int fd, uint32_t *user) {
    struct ucred peer = {0};
    socklen_t n = sizeof peer;
    int result = APUS_RESULT(getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &n));
    *user = peer.uid;
    return result;
}
ssize_t apus_send_descriptors(int fd, const void *bytes, size_t count, const int *fds, int fd_count) {
    _Alignas(struct cmsghdr) char control[CMSG_SPACE(sizeof(int) * APUS_DESCRIPTORS_MAX)];
    struct iovec piece = {(void *)bytes, count};
    struct msghdr message = {.msg_iov = &piece, .msg_iovlen = 1};
    if (fd_count > APUS_DESCRIPTORS_MAX) return -E2BIG;
    if (fd_count > 0) {
        message.msg_control = control;
        message.msg_controllen = CMSG_SPACE(sizeof(int) * (size_t)fd_count);
        memset(control, 0, message.msg_controllen);
        struct cmsghdr *header = CMSG_FIRSTHDR(&message);
        header->cmsg_level = SOL_SOCKET;
        header->cmsg_type = SCM_RIGHTS;
        header->cmsg_len = CMSG_LEN(sizeof(int) * (size_t)fd_count);
        memcpy(CMSG_DATA(header), fds, sizeof(int) * (size_t)fd_count);
    }
    return APUS_RESULT(sendmsg(fd, &message, MSG_NOSIGNAL));
}
ssize_t apus_receive_descriptors(int fd, void *bytes, size_t count, int *fds, int *fd_count) {
    _Alignas(struct cmsghdr) char control[CMSG_SPACE(sizeof(int) * APUS_DESCRIPTORS_MAX)];
    struct iovec piece = {bytes, count};
    struct msghdr message = {.msg_iov = &piece, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof control};
    *fd_count = 0;
    ssize_t result = APUS_RESULT(recvmsg(fd, &message, MSG_CMSG_CLOEXEC));
    if (result < 0) return result;
    for (struct cmsghdr *header = CMSG_FIRSTHDR(&message); header; header = CMSG_NXTHDR(&message, header)) {
        if (header->cmsg_level != SOL_SOCKET || header->cmsg_type != SCM_RIGHTS) continue;
        int n = (int)((header->cmsg_len - CMSG_LEN(0)) / sizeof(int));
        memcpy(fds + *fd_count, CMSG_DATA(header), sizeof(int) * (size_t)n);
        *fd_count += n;
    }
    return result;
}
int apus_set_blocking(int fd) {
    int flags = APUS_RESULT(fcntl(fd, F_GETFL));
    return flags < 0 ? flags : APUS_RESULT(fcntl(fd, F_SETFL, flags & ~O_NONBLOCK));
}
int apus_timeouts(int fd, int64_t milliseconds) {
    struct timeval time = {milliseconds / 1000, milliseconds % 1000 * 1000};
    int result = APUS_RESULT(setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &time, sizeof time));
    return result < 0 ? result : APUS_RESULT(setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &time, sizeof time));
}
int apus_shutdown_both(int fd) { return APUS_RESULT(shutdown(fd, SHUT_RDWR)); }

// SO_REUSEPORT groups. The program of one instruction returns the place of a socket in its group.
int apus_direct_group(int fd, uint32_t index) {
    struct sock_filter code[] = {{BPF_RET | BPF_K, 0, 0, index}};
    struct sock_fprog program = {1, code};
    return APUS_RESULT(setsockopt(fd, SOL_SOCKET, SO_ATTACH_REUSEPORT_CBPF, &program, sizeof program));
}
int apus_undirect_group(int fd) {
    int unused = 0;
    return APUS_RESULT(setsockopt(fd, SOL_SOCKET, SO_DETACH_REUSEPORT_BPF, &unused, sizeof unused));
}
// Drops SYN without ACK: a listening socket's filter sees TCP headers, flags at byte 13.
int apus_drop_handshakes(int fd) {
    struct sock_filter code[] = {
        {BPF_LD | BPF_B | BPF_ABS, 0, 0, 13},
        {BPF_ALU | BPF_AND | BPF_K, 0, 0, 0x12},
        {BPF_JMP | BPF_JEQ | BPF_K, 0, 1, 0x02},
        {BPF_RET | BPF_K, 0, 0, 0},
        {BPF_RET | BPF_K, 0, 0, 0xffffffff},
    };
    struct sock_fprog program = {sizeof code / sizeof *code, code};
    return APUS_RESULT(setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &program, sizeof program));
}

// Network namespaces, of the calling thread alone.
int apus_unshare_network(void) { return APUS_RESULT(unshare(CLONE_NEWNET)); }
int apus_open_network(void) { return APUS_RESULT(open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC)); }
int apus_open_file(const char *path) { return APUS_RESULT(open(path, O_RDONLY | O_CLOEXEC)); }
int apus_enter_network(int fd) { return APUS_RESULT(setns(fd, CLONE_NEWNET)); }

// epoll, eventfd.
int apus_epoll_create(void) { return APUS_RESULT(epoll_create1(EPOLL_CLOEXEC)); }
int apus_epoll_add(int epoll, int fd, uint32_t events, uint64_t token) {
    struct epoll_event event = {events, {.u64 = token}};
    return APUS_RESULT(epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event));
}
int apus_epoll_change(int epoll, int fd, uint32_t events, uint64_t token) {
    struct epoll_event event = {events, {.u64 = token}};
    return APUS_RESULT(epoll_ctl(epoll, EPOLL_CTL_MOD, fd, &event));
}
int apus_epoll_remove(int epoll, int fd) {
    return APUS_RESULT(epoll_ctl(epoll, EPOLL_CTL_DEL, fd, NULL));
}
int apus_epoll_wait(int epoll, struct apus_event *events, int count, int milliseconds) {
    return (int)APUS_RESULT(syscall(SYS_epoll_pwait, epoll, events, count, milliseconds, NULL, 0));
}
int apus_epoll_wait_briefly(int epoll, struct apus_event *events, int count, int64_t nanoseconds) {
    struct timespec timeout = {nanoseconds / 1000000000, nanoseconds % 1000000000};
    return (int)APUS_RESULT(syscall(SYS_epoll_pwait2, epoll, events, count, &timeout, NULL, 0));
}
int apus_eventfd(void) { return APUS_RESULT(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)); }
int apus_eventfd_signal(int fd) { return APUS_RESULT(eventfd_write(fd, 1)); }
int apus_eventfd_clear(int fd) {
    eventfd_t value;
    return APUS_RESULT(eventfd_read(fd, &value));
}

// Netlink.
// Bytes of news that may wait: a guard that is late must not lose them. Only root may ask for so many.
static const int apus_news_bytes = 8 << 20;
static int apus_watch(int protocol, const int *groups, int count) {
    int fd = APUS_RESULT(socket(AF_NETLINK, SOCK_RAW | SOCK_NONBLOCK | SOCK_CLOEXEC, protocol));
    if (fd < 0) return fd;
    if (setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &apus_news_bytes, sizeof apus_news_bytes) < 0)
        setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &apus_news_bytes, sizeof apus_news_bytes);
    struct sockaddr_nl address = {.nl_family = AF_NETLINK};
    int result = APUS_RESULT(bind(fd, (struct sockaddr *)&address, sizeof address));
    for (int i = 0; i < count && result >= 0; i++)
        result = APUS_RESULT(setsockopt(fd, SOL_NETLINK, NETLINK_ADD_MEMBERSHIP, &groups[i], sizeof groups[i]));
    return apus_close_if(result, fd);
}
int apus_watch_tables(void) {
    const int groups[] = {NFNLGRP_NFTABLES};
    return apus_watch(NETLINK_NETFILTER, groups, 1);
}
int apus_watch_routing(void) {
    const int groups[] = {RTNLGRP_LINK,       RTNLGRP_IPV4_ROUTE, RTNLGRP_IPV6_ROUTE,
                          RTNLGRP_IPV4_RULE, RTNLGRP_IPV6_RULE,  RTNLGRP_NEXTHOP};
    int fd = apus_watch(NETLINK_ROUTE, groups, sizeof groups / sizeof *groups);
    if (fd < 0) return fd;
    // Routes of the main table that others than `ip route` have made (a routing daemon's million) are not even queued. A
    // message is a struct nlmsghdr (16 bytes, nlmsg_type at 4) and a struct rtmsg (rtm_table at 4, rtm_protocol at 5).
    struct sock_filter filter[] = {
        BPF_STMT(BPF_LD | BPF_H | BPF_ABS, 4),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, htons(RTM_NEWROUTE), 1, 0),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, htons(RTM_DELROUTE), 0, 5),
        BPF_STMT(BPF_LD | BPF_B | BPF_ABS, 20),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, RT_TABLE_MAIN, 0, 3),
        BPF_STMT(BPF_LD | BPF_B | BPF_ABS, 21),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, RTPROT_BOOT, 1, 0),
        BPF_STMT(BPF_RET | BPF_K, 0),
        BPF_STMT(BPF_RET | BPF_K, 0xffffffff),
    };
    struct sock_fprog program = {sizeof filter / sizeof *filter, filter};
    return apus_close_if(APUS_RESULT(setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &program, sizeof program)), fd);
}

// Time, limits, threads.
int64_t apus_clock(int clock) {
    struct timespec t;
    clock_gettime(clock, &t);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}
int apus_descriptor_limit(uint64_t *soft, uint64_t *hard) {
    struct rlimit limit;
    int result = APUS_RESULT(getrlimit(RLIMIT_NOFILE, &limit));
    *soft = limit.rlim_cur;
    *hard = limit.rlim_max;
    return result;
}
int apus_set_descriptor_limit(uint64_t soft, uint64_t hard) {
    struct rlimit limit = {soft, hard};
    return APUS_RESULT(setrlimit(RLIMIT_NOFILE, &limit));
}
// 1: it has ended; 0: not yet. Before Linux 5.3 only its number can be asked for.
int apus_wait_end(int process, int milliseconds) {
    int fd = (int)syscall(SYS_pidfd_open, process, 0);
    if (fd < 0) return errno == ESRCH || (errno == ENOSYS && kill(process, 0) < 0 && errno == ESRCH);
    struct pollfd end = {.fd = fd, .events = POLLIN};
    int result = poll(&end, 1, milliseconds);
    close(fd);
    return result > 0;
}
int apus_open_process(int process) { return APUS_RESULT((int)syscall(SYS_pidfd_open, process, 0)); }
int apus_signal_process(int process_fd, int signal) {
    return APUS_RESULT((int)syscall(SYS_pidfd_send_signal, process_fd, signal, NULL, 0));
}
int apus_usable_cores(void) {
    cpu_set_t set;
    int result = APUS_RESULT(sched_getaffinity(0, sizeof set, &set));
    return result < 0 ? result : CPU_COUNT(&set);
}
void apus_name_thread(const char *name) { pthread_setname_np(pthread_self(), name); }
void apus_share_priority(void) {
    errno = 0;
    int nice = getpriority(PRIO_PROCESS, getpid());
    // Who may not raise it leaves it.
    if (nice != -1 || errno == 0) setpriority(PRIO_PROCESS, 0, nice);
}

// Memory.
void apus_trim_heap(void) { malloc_trim(0); }

static int release_object(struct dl_phdr_info *object, size_t size, void *page_size) {
    (void)size;
    uintptr_t page = *(uintptr_t *)page_size;
    for (int i = 0; i < object->dlpi_phnum; i++) {
        const ElfW(Phdr) *part = &object->dlpi_phdr[i];
        // Relocations in code would make its pages private copies, which must not be thrown away.
        if (part->p_type == PT_DYNAMIC)
            for (const ElfW(Dyn) *d = (const ElfW(Dyn) *)(object->dlpi_addr + part->p_vaddr); d->d_tag; d++)
                if (d->d_tag == DT_TEXTREL) return 0;
    }
    for (int i = 0; i < object->dlpi_phnum; i++) {
        const ElfW(Phdr) *part = &object->dlpi_phdr[i];
        if (part->p_type != PT_LOAD || !(part->p_flags & PF_X) || (part->p_flags & PF_W)) continue;
        uintptr_t first = (object->dlpi_addr + part->p_vaddr + page - 1) & ~(page - 1);
        uintptr_t end = (object->dlpi_addr + part->p_vaddr + part->p_filesz) & ~(page - 1);
        if (first < end) madvise((void *)first, end - first, MADV_DONTNEED);
    }
    return 0;
}

void apus_release_code(void) {
    uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE);
    dl_iterate_phdr(release_object, &page);
}
