import Foundation
import Loopback
import Model
import Synchronization
import Testing

@testable import Proxy

extension DataPlane {
    /// Bytes through the proxy, as clients and servers see them.
    @Suite(.timeLimit(.minutes(2))) struct RelayTests {
        @Test(arguments: [IPAddress.loopbackV4, .loopbackV6])
        func echoesInBothFamilies(address: IPAddress) async throws {
            let server = try Server.echo(SocketAddress(address, 0))
            try await withProxy(.web(to: [server.address], on: SocketAddress(address, 0))) { proxy in
                let client = try proxy.client()
                for text in ["hello", "again"] {
                    try client.send(text)
                    #expect(try client.receive(asLongAs: text) == text)
                }
                client.close()
                let record = try #require(await proxy.records(1).first)
                #expect(record.reason == .completed && record.closedBy == .client)
                #expect(record.bytesSent == 10 && record.bytesReceived == 10)
            }
        }

        @Test func theServerMaySpeakFirst() async throws {
            let server = try Server.greeter("220 ready\r\n")
            try await withProxy(.web(to: [server.address])) { proxy in
                let client = try proxy.client()
                #expect(try client.receive(asLongAs: "220 ready\r\n") == "220 ready\r\n")
            }
        }

        @Test func whatAClientSendsBeforeTheUpstreamIsThereArrives() async throws {
            let acceptor = try Acceptor()
            try await withProxy(.web(to: [acceptor.address])) { proxy in
                let client = try proxy.client()
                try client.send("early")
                client.shutdownWrite()
                let server = try acceptor.accept()
                #expect(try server.receiveAll() == Array("early".utf8))
                server.close()
                #expect(client.end() == nil)
            }
        }

        @Test func bytesBehindUrgentDataAreNotHeldUp() async throws {
            let acceptor = try Acceptor()
            try await withProxy(.web(to: [acceptor.address])) { proxy in
                let client = try proxy.client()
                let server = try acceptor.accept()
                // A read stops at the urgent mark, so it comes back short although more is there.
                for round in 1...50 {
                    try client.send("before")
                    try client.send("!".utf8, urgent: true)
                    try client.send("behind")
                    let text = try server.receive(asLongAs: "before!behind")
                    #expect(text == "before!behind", "round \(round)")
                }
            }
        }

        @Test func anEndLeavesTheOtherDirectionOpen() async throws {
            let acceptor = try Acceptor()
            try await withProxy(.web(to: [acceptor.address])) { proxy in
                // The client ends first, and the server answers behind that.
                let first = try proxy.client()
                try first.send("request")
                first.shutdownWrite()
                let server = try acceptor.accept()
                #expect(try server.receiveAll() == Array("request".utf8))
                let states = await proxy.server.connections(limit: 10).connections.map(\.state)
                #expect(states == [.halfClosed])
                try server.send("late answer")
                #expect(try first.receive(asLongAs: "late answer") == "late answer")
                server.close()
                #expect(first.end() == nil)

                // The server ends first, and the client goes on.
                let second = try proxy.client()
                let other = try acceptor.accept()
                other.shutdownWrite()
                #expect(try second.receiveAll().isEmpty)
                try second.send("still here")
                #expect(try other.receive(asLongAs: "still here") == "still here")
                second.close()
                #expect(other.end() == nil)

                let records = await proxy.records(2)
                #expect(records.map(\.reason) == [.completed, .completed])
                #expect(records.map(\.closedBy) == [.client, .upstream])
                #expect(records.map(\.bytesReceived) == [11, 0] && records.map(\.bytesSent) == [7, 10])
            }
        }

        @Test func bulkBothWaysThroughSlowReadersIsExactAndBounded() async throws {
            let size = 64 << 20
            let received = Mutex<Int>(0)
            let server = try Server(receiveBuffer: 64 << 10) { peer in
                let sent = DispatchSemaphore(value: 0)
                Thread.detachNewThread {
                    try? Pieces.send(size, seed: 2, to: peer)
                    peer.shutdownWrite()
                    sent.signal()
                }
                let count = try? Pieces.receive(seed: 1, from: peer, pauseEvery: 8 << 20)
                received.withLock { $0 = count ?? -1 }
                sent.wait()
            }
            let before = residentBytes()
            try await withProxy(.web(to: [server.address])) { proxy in
                let client = try proxy.client(receiveBuffer: 64 << 10)
                let sending = Task { try await blocking { try Pieces.send(size, seed: 1, to: client) } }
                let peak = Atomic<Int>(0)
                let isDone = Atomic<Bool>(false)
                Thread.detachNewThread { [server = proxy.server] in
                    while !isDone.load(ordering: .relaxed) {
                        peak.max(server.bufferedBytes, ordering: .relaxed)
                        usleep(500)
                    }
                }
                defer { isDone.store(true, ordering: .relaxed) }
                let back = try await blocking { try Pieces.receive(seed: 2, from: client, pauseEvery: 4 << 20) }
                try await sending.value
                client.shutdownWrite()
                #expect(client.end() == nil)
                let record = try #require(await proxy.records(1).first)
                #expect(back == size)
                #expect(await eventually { received.withLock { $0 } == size })
                #expect(record.bytesSent == size && record.bytesReceived == size && record.reason == .completed)
                // At most the rest of one read a direction.
                #expect(peak.load(ordering: .relaxed) <= 512 << 10)
            }
            #expect(residentBytes() - before < 24 << 20, "grew by \((residentBytes() - before) >> 20) MiB")
        }
    }
}

extension ProxyServer {
    /// Bytes that all workers hold for slow readers.
    var bufferedBytes: Int {
        workerStatistics.map { $0.worker.value(slot: 0, counter: WorkerCounter.bufferedBytes.rawValue) }.reduce(0, +)
    }
}

/// A stream of bytes that a seed makes, in pieces, each different from all others.
struct Pieces {
    static let size = 64 << 10
    private var state: UInt64
    private var piece = [UInt8](repeating: 0, count: size)
    private var index = 0

    struct Differs: Error { let offset: Int }

    init(seed: UInt64) { state = seed &* 0x9e37_79b9_7f4a_7c15 }

    mutating func next() -> [UInt8] {
        for place in stride(from: index % 64, to: Self.size, by: 64) {
            state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
            piece[place] = UInt8(truncatingIfNeeded: state >> 56)
        }
        index += 1
        return piece
    }

    /// Sends `count` bytes, a whole number of pieces.
    static func send(_ count: Int, seed: UInt64, to peer: Peer) throws {
        var pieces = Pieces(seed: seed)
        for _ in 0..<count / size { try peer.send(pieces.next()) }
    }

    /// Reads to the end, pausing for some milliseconds now and then; how many bytes there were. Throws at the first piece
    /// that is not as it was sent.
    static func receive(seed: UInt64, from peer: Peer, pauseEvery: Int) throws -> Int {
        var pieces = Pieces(seed: seed)
        var count = 0
        while case let bytes = try peer.receive(exactly: size), !bytes.isEmpty {
            let expected = pieces.next()
            // Sound: both arrays outlive the call, which reads no more than they hold.
            guard bytes.count == size, unsafe memcmp(bytes, expected, size) == 0 else { throw Differs(offset: count) }
            count += size
            if count.isMultiple(of: pauseEvery) { usleep(20_000) }
        }
        return count
    }
}

/// Memory of this process that is in use, bytes.
func residentBytes() -> Int {
    let pages = (try? String(contentsOfFile: "/proc/self/statm", encoding: .utf8))?.split(separator: " ")
    return (pages?.dropFirst().first.flatMap { Int($0) } ?? 0) * sysconf(Int32(_SC_PAGESIZE))
}
