import Foundation
import Glibc
import Synchronization

/// A DNS server on a loopback port of its own that answers A and AAAA as it is told, over UDP, and over TCP what was
/// truncated. In threads until it is let go of.
final class NameServer: Sendable {
    /// What is said about every name.
    enum Answer: Sendable, Equatable {
        /// Addresses (as text) with this time to live; those of the family that was asked for.
        case addresses([String], ttl: UInt32)
        /// The same, but over UDP only that there is more than fits.
        case truncated([String], ttl: UInt32)
        /// NXDOMAIN, SERVFAIL.
        case noSuchName, failure
        case silence
    }

    let port: UInt16
    private let socket: Int32
    /// Listens on the same port; -1: the port was taken.
    private let streamSocket: Int32
    private let state: Mutex<State>

    private struct State: Sendable {
        var v4: Answer
        var v6: Answer
        var questions = 0
        var streams = 0
    }

    init(_ answer: Answer) {
        state = Mutex(State(v4: answer, v6: answer))
        (socket, streamSocket, port) = Self.open()
        serve()
        serveStreams()
    }

    /// Both sockets on one port. Somebody else may have the kernel's choice for UDP as a TCP port: then another.
    private static func open() -> (socket: Int32, streamSocket: Int32, port: UInt16) {
        while true {
            let (stream, port) = bound(SOCK_STREAM, to: 0)
            let (datagrams, same) = bound(SOCK_DGRAM, to: port)
            if same == port, port != 0, listen(stream, 16) == 0 { return (datagrams, stream, port) }
            close(stream)
            close(datagrams)
        }
    }

    private static func bound(_ type: __socket_type, to port: UInt16) -> (socket: Int32, port: UInt16) {
        let socket = Glibc.socket(AF_INET, Int32(type.rawValue), 0)
        var address = sockaddr_in()
        address.sin_port = port.bigEndian
        address.sin_family = sa_family_t(AF_INET)
        address.sin_addr.s_addr = UInt32(0x7f00_0001).bigEndian
        var length = socklen_t(MemoryLayout<sockaddr_in>.size)
        // The address lives for the calls.
        unsafe withUnsafeMutablePointer(to: &address) { pointer in
            unsafe pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { raw in
                _ = unsafe bind(socket, raw, length)
                _ = unsafe getsockname(socket, raw, &length)
            }
        }
        return (socket, UInt16(bigEndian: address.sin_port))
    }

    private func serve() {
        Thread.detachNewThread { [socket, weak self] in
            var question = [UInt8](repeating: 0, count: 1500)
            var peer = sockaddr_storage()
            while true {
                var length = socklen_t(MemoryLayout<sockaddr_storage>.size)
                // Both live for the call.
                let count = unsafe withUnsafeMutablePointer(to: &peer) { pointer in
                    unsafe pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                        unsafe recvfrom(socket, &question, question.count, 0, $0, &length)
                    }
                }
                guard count > 12, let reply = self?.reply(to: Array(question[..<count]), isStream: false) else {
                    if count <= 0 { return }
                    continue
                }
                _ = unsafe withUnsafePointer(to: &peer) { pointer in
                    unsafe pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                        unsafe sendto(socket, reply, reply.count, 0, $0, length)
                    }
                }
            }
        }
    }

    /// A connection after the other, a question each: the length of a message stands before it.
    private func serveStreams() {
        Thread.detachNewThread { [streamSocket, weak self] in
            while true {
                // Nobody asks for the peer's address.
                let peer = accept(streamSocket, nil, nil)
                guard peer >= 0 else { return }
                defer { close(peer) }
                guard let length = Self.read(2, from: peer),
                    let question = Self.read(Int(length[0]) << 8 | Int(length[1]), from: peer), question.count > 12,
                    let reply = self?.reply(to: question, isStream: true)
                else { continue }
                let message = [UInt8(reply.count >> 8), UInt8(reply.count & 0xff)] + reply
                // The array lives for the call.
                _ = unsafe send(peer, message, message.count, Int32(MSG_NOSIGNAL))
            }
        }
    }

    private static func read(_ count: Int, from peer: Int32) -> [UInt8]? {
        var bytes = [UInt8](repeating: 0, count: count)
        // As many as the array has.
        guard unsafe recv(peer, &bytes, count, Int32(MSG_WAITALL)) == count else { return nil }
        return bytes
    }

    deinit {
        for descriptor in [socket, streamSocket] {
            shutdown(descriptor, Int32(SHUT_RDWR))
            close(descriptor)
        }
    }

    var address: String { "127.0.0.1:\(port)" }
    var questions: Int { state.withLock { $0.questions } }
    /// Those over TCP.
    var streams: Int { state.withLock { $0.streams } }

    func say(_ answer: Answer) { say(v4: answer, v6: answer) }

    /// What is said to questions for A and for AAAA.
    func say(v4: Answer, v6: Answer) {
        state.withLock { state in
            state.v4 = v4
            state.v6 = v6
        }
    }

    /// nil: none.
    private func reply(to question: [UInt8], isStream: Bool) -> [UInt8]? {
        // The name ends with an empty label; type and class follow. Whatever comes behind (EDNS) is not repeated.
        guard let end = question[12...].firstIndex(of: 0), end + 4 < question.count else { return nil }
        let answer = state.withLock { state in
            state.questions += 1
            if isStream { state.streams += 1 }
            return question[end + 2] == 28 ? state.v6 : state.v4
        }
        return Self.reply(to: question, end, answer, isStream: isStream)
    }

    private static func reply(to question: [UInt8], _ end: Int, _ answer: Answer, isStream: Bool) -> [UInt8]? {
        var (found, truncated): ((texts: [String], ttl: UInt32)?, UInt8) = (nil, 0)
        switch answer {
        case .addresses(let texts, let ttl): found = (texts, ttl)
        case .truncated(let texts, let ttl) where isStream: found = (texts, ttl)
        case .truncated: truncated = 2
        case .noSuchName, .failure: break
        case .silence: return nil
        }
        let type = question[end + 2]
        var records: [UInt8] = []
        var count: UInt8 = 0
        if let (texts, ttl) = found {
            for text in texts {
                let bytes = bytes(text)
                guard bytes.count == (type == 28 ? 16 : 4) else { continue }
                records += [0xc0, 12, 0, type, 0, 1]
                records += (0..<4).map { UInt8(truncatingIfNeeded: ttl >> UInt32(24 - 8 * $0)) }
                records += [0, UInt8(bytes.count)] + bytes
                count += 1
            }
        }
        let code: UInt8 = answer == .noSuchName ? 3 : answer == .failure ? 2 : 0
        return question[0..<2] + [0x81 | truncated, 0x80 | code, 0, 1, 0, count, 0, 0, 0, 0] + question[12...end + 4]
            + records
    }

    private static func bytes(_ text: String) -> [UInt8] {
        var (v4, v6) = (in_addr(), in6_addr())
        // Each is as large as the family says.
        if unsafe inet_pton(AF_INET, text, &v4) == 1 { return unsafe withUnsafeBytes(of: &v4) { unsafe Array($0) } }
        if unsafe inet_pton(AF_INET6, text, &v6) == 1 { return unsafe withUnsafeBytes(of: &v6) { unsafe Array($0) } }
        return []
    }
}
