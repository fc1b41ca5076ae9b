import Foundation
import Glibc
import Synchronization

/// A DNS server on a loopback port of its own, over UDP, that answers A and AAAA as it is told. In a thread until it is let
/// go of.
final class NameServer: Sendable {
    /// What is said about every name.
    enum Answer: Sendable, Equatable {
        /// Addresses (as text) with this time to live.
        case addresses([String], ttl: UInt32)
        /// NXDOMAIN, SERVFAIL.
        case noSuchName, failure
        case silence
    }

    let port: UInt16
    private let socket: Int32
    private let state: Mutex<State>

    private struct State: Sendable {
        var answer: Answer
        var questions = 0
    }

    init(_ answer: Answer) {
        state = Mutex(State(answer: answer))
        let socket = Glibc.socket(AF_INET, Int32(SOCK_DGRAM.rawValue), 0)
        self.socket = socket
        var address = sockaddr_in()
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
        port = UInt16(bigEndian: address.sin_port)
        serve()
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
                guard count > 12, let reply = self?.reply(to: Array(question[..<count])) else {
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

    deinit {
        shutdown(socket, Int32(SHUT_RDWR))
        close(socket)
    }

    var address: String { "127.0.0.1:\(port)" }
    var questions: Int { state.withLock { $0.questions } }

    func say(_ answer: Answer) { state.withLock { $0.answer = answer } }

    /// nil: none.
    private func reply(to question: [UInt8]) -> [UInt8]? {
        let answer = state.withLock { state in
            state.questions += 1
            return state.answer
        }
        // The name ends with an empty label; type and class follow. Whatever comes behind (EDNS) is not repeated.
        guard let end = question[12...].firstIndex(of: 0), end + 4 < question.count, answer != .silence else {
            return nil
        }
        let type = question[end + 2]
        var records: [UInt8] = []
        var count: UInt8 = 0
        if case .addresses(let texts, let ttl) = answer {
            for text in texts {
                let bytes = Self.bytes(text)
                guard bytes.count == (type == 28 ? 16 : 4) else { continue }
                records += [0xc0, 12, 0, type, 0, 1]
                records += (0..<4).map { UInt8(truncatingIfNeeded: ttl >> UInt32(24 - 8 * $0)) }
                records += [0, UInt8(bytes.count)] + bytes
                count += 1
            }
        }
        let code: UInt8 = answer == .noSuchName ? 3 : answer == .failure ? 2 : 0
        return question[0..<2] + [0x81, 0x80 | code, 0, 1, 0, count, 0, 0, 0, 0] + question[12...end + 4] + records
    }

    private static func bytes(_ text: String) -> [UInt8] {
        var (v4, v6) = (in_addr(), in6_addr())
        // Each is as large as the family says.
        if unsafe inet_pton(AF_INET, text, &v4) == 1 { return unsafe withUnsafeBytes(of: &v4) { unsafe Array($0) } }
        if unsafe inet_pton(AF_INET6, text, &v6) == 1 { return unsafe withUnsafeBytes(of: &v6) { unsafe Array($0) } }
        return []
    }
}
