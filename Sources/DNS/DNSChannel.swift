import CCares
import Glibc
import Model

/// Lookups of host names under way, over the servers, search domains and options of resolv.conf: A and AAAA, over UDP and
/// TCP. Owned by one thread, which calls `wait` until all answers are there.
///
/// It reads resolv.conf when it is made, so whoever wants changes of that file to count makes a new one now and then.
@safe public final class DNSChannel {
    // Made in `init`, destroyed in `deinit`, used by the owner's thread only.
    private var channel: ares_channel?
    private var answers: [Answered] = []
    /// Questions without an answer yet.
    public private(set) var pending = 0

    /// Addresses of one name that are used; a name with more is somebody's mistake.
    public static let addressesMax = 4096
    private static let attemptMilliseconds: Int32 = 2000
    private static let attempts: Int32 = 2

    /// A question that is answered.
    public struct Answered: Sendable {
        /// What was asked for.
        public let host: String
        /// Which question.
        public let family: DNSFamily
        /// What it came to.
        public let answer: DNSAnswer

        /// An answer.
        public init(host: String, family: DNSFamily, answer: DNSAnswer) {
            self.host = host
            self.family = family
            self.answer = answer
        }
    }

    /// What a question's callback needs to find its way back.
    private final class Question {
        let channel: DNSChannel
        let host: String
        let family: DNSFamily

        init(_ channel: DNSChannel, _ host: String, _ family: DNSFamily) {
            self.channel = channel
            self.host = host
            self.family = family
        }
    }

    /// A channel; `servers` (`ADDRESS:PORT`, separated by commas) are asked instead of those of resolv.conf. Throws why
    /// there is none.
    public init(servers: String? = nil) throws(DNSError) {
        try Self.startLibrary()
        // Plain fields, all zero; the mask says which of them count.
        var options = unsafe ares_options()
        unsafe options.timeout = Self.attemptMilliseconds
        unsafe options.tries = Self.attempts
        let mask = Int32(ARES_OPT_TIMEOUTMS | ARES_OPT_TRIES)
        // The options live for the call; the channel is destroyed in deinit.
        try Self.check(unsafe ares_init_options(&channel, &options, mask))
        // The text lives for the call.
        if let servers { try Self.check(unsafe ares_set_servers_ports_csv(channel, servers)) }
    }

    deinit {
        // Questions under way hold the channel, so there are none.
        if let channel = unsafe channel { unsafe ares_destroy(channel) }
    }

    /// Once in a process; c-ares counts the calls.
    private static func startLibrary() throws(DNSError) { try check(ares_library_init(Int32(ARES_LIB_INIT_ALL))) }

    private static func check(_ status: Int32) throws(DNSError) {
        guard status == Int32(ARES_SUCCESS) else { throw DNSError(description: "dns: \(text(status))") }
    }

    private static func text(_ status: Int32) -> String {
        // A constant text of the library.
        unsafe String(cString: ares_strerror(status))
    }

    /// Begins to look a name up: a question for each family. Asked for both at once, the library says nothing of a family that
    /// failed as long as the other was found, and keeps what was found until the other has timed out.
    public func ask(_ host: String) {
        for family in DNSFamily.allCases { ask(host, family) }
    }

    private func ask(_ host: String, _ family: DNSFamily) {
        pending += 1
        var hints = ares_addrinfo_hints()
        hints.ai_family = family == .v4 ? AF_INET : AF_INET6
        // Sorting would connect a socket to each address, to learn what nobody asks for here.
        hints.ai_flags = Int32(ARES_AI_NOSORT)
        let question = unsafe Unmanaged.passRetained(Question(self, host, family)).toOpaque()
        // c-ares calls back exactly once for each call, also when the channel is destroyed: that takes the question back.
        unsafe ares_getaddrinfo(
            channel, host, nil, &hints,
            { argument, status, _, result in
                guard let argument = unsafe argument else { return }
                let question = unsafe Unmanaged<Question>.fromOpaque(argument).takeRetainedValue()
                let answer = unsafe DNSChannel.answer(status, result)
                // Copied above; nil is allowed.
                unsafe ares_freeaddrinfo(result)
                question.channel.pending -= 1
                question.channel.answers.append(
                    Answered(host: question.host, family: question.family, answer: answer))
            }, question)
    }

    /// Waits until something has come, `wakeup` says so, or so much time is over. Returns the questions that
    /// are answered.
    public func wait(milliseconds: Int32, wakeup: DNSWakeup) -> [Answered] {
        var sockets = [ares_socket_t](repeating: 0, count: Int(ARES_GETSOCK_MAXNUM))
        // As many as the array has; the bits say which are in use.
        let bits = unsafe ares_getsock(channel, &sockets, Int32(ARES_GETSOCK_MAXNUM))
        var polls = [pollfd(fd: wakeup.descriptor, events: Int16(POLLIN), revents: 0)]
        for number in 0..<Int(ARES_GETSOCK_MAXNUM) {
            let isReading = bits & (1 << Int32(number)) != 0
            let isWriting = bits & (1 << Int32(number + Int(ARES_GETSOCK_MAXNUM))) != 0
            guard isReading || isWriting else { continue }
            polls.append(
                pollfd(
                    fd: sockets[number], events: (isReading ? Int16(POLLIN) : 0) | (isWriting ? Int16(POLLOUT) : 0),
                    revents: 0))
        }
        // The array lives for the call.
        _ = unsafe poll(&polls, nfds_t(polls.count), wait(atMost: milliseconds))
        wakeup.drain()
        let bad = ares_socket_t(ARES_SOCKET_BAD)
        for entry in polls.dropFirst() where entry.revents != 0 {
            let isReadable = entry.revents & Int16(POLLIN | POLLERR | POLLHUP) != 0
            unsafe ares_process_fd(
                channel, isReadable ? entry.fd : bad, entry.revents & Int16(POLLOUT) != 0 ? entry.fd : bad)
        }
        // Questions that have taken too long.
        unsafe ares_process_fd(channel, bad, bad)
        defer { answers = [] }
        return answers
    }

    /// No longer than until the library wants to send again.
    private func wait(atMost milliseconds: Int32) -> Int32 {
        var longest = timeval(tv_sec: Int(milliseconds / 1000), tv_usec: Int(milliseconds % 1000) * 1000)
        var room = timeval()
        // Both live for the call; the result is one of them, or nil without lookups.
        guard let due = unsafe ares_timeout(channel, &longest, &room) else { return milliseconds }
        let (seconds, microseconds) = unsafe (due.pointee.tv_sec, due.pointee.tv_usec)
        return min(milliseconds, Int32(clamping: seconds * 1000 + (microseconds + 999) / 1000))
    }
}

// MARK: - answers

extension DNSChannel {
    private static func answer(_ status: Int32, _ result: UnsafeMutablePointer<ares_addrinfo>?) -> DNSAnswer {
        switch status {
        case Int32(ARES_SUCCESS): break
        case Int32(ARES_ENOTFOUND), Int32(ARES_ENODATA), Int32(ARES_ENONAME): return .none
        default: return .failed(text(status))
        }
        var addresses: Set<IPAddress> = []
        var ttl = Int.max
        // The list is valid until it is freed, which the caller does.
        var next = unsafe result?.pointee.nodes
        while let node = unsafe next, addresses.count < addressesMax {
            if let address = unsafe address(node.pointee.ai_addr, family: node.pointee.ai_family), isUsable(address) {
                addresses.insert(address)
                ttl = min(ttl, Int(unsafe node.pointee.ai_ttl))
            }
            unsafe next = node.pointee.ai_next
        }
        guard !addresses.isEmpty else { return .none }
        return .addresses(addresses.sorted { ($0.high, $0.low) < ($1.high, $1.low) }, ttl: max(0, ttl))
    }

    private static func address(_ raw: UnsafeMutablePointer<sockaddr>?, family: Int32) -> IPAddress? {
        guard let raw = unsafe raw else { return nil }
        if family == AF_INET {
            // The library allocates what the family says.
            let bits = unsafe raw.withMemoryRebound(to: sockaddr_in.self, capacity: 1) {
                unsafe $0.pointee.sin_addr.s_addr
            }
            return IPAddress(v4: UInt32(bigEndian: bits))
        }
        guard family == AF_INET6 else { return nil }
        var bytes = unsafe raw.withMemoryRebound(to: sockaddr_in6.self, capacity: 1) { unsafe $0.pointee.sin6_addr }
        // Sixteen plain bytes.
        return unsafe withUnsafeBytes(of: &bytes) { buffer in
            let words = unsafe (
                buffer.loadUnaligned(as: UInt64.self), buffer.loadUnaligned(fromByteOffset: 8, as: UInt64.self)
            )
            return IPAddress(high: UInt64(bigEndian: words.0), low: UInt64(bigEndian: words.1))
        }
    }

    /// Neither the wildcard, nor an address that means something on one link only.
    private static func isUsable(_ address: IPAddress) -> Bool {
        !address.isUnspecified && address.high >> 54 != 0xfe80 >> 6
    }
}

/// Why no name can be looked up.
public struct DNSError: Error, CustomStringConvertible, Sendable {
    /// In words.
    public let description: String
}
