import Foundation
import Lab
import Model
import Testing

/// What happens to bytes, ends and resets between two pods of different hosts: two proxies, three connections.
extension NodeTests {
    @Suite struct StreamTests {
        /// A client in A1 and its connection at a server in B1, through both proxies.
        private func withConnection(
            receiveBuffer: Int? = nil, _ body: (Mesh, _ client: LabSocket, _ server: LabSocket) throws -> Void
        ) throws {
            try withMesh { mesh in
                let listener = try mesh.lab[.b1].listen(receiveBuffer: receiveBuffer)
                let client = try mesh.lab[.a1].connect(to: SocketAddress(PodName.b1.v4, listener.port))
                try body(mesh, client, listener.accept())
            }
        }

        /// Neither side reads for a while: the senders stall, the proxies keep little, and then all of it arrives.
        @Test func bulkBothWaysThroughSlowReaders() throws {
            try withConnection(receiveBuffer: 65536) { mesh, client, server in
                for socket in [client, server] { try socket.limit(to: .seconds(20)) }
                let before = try mesh.proxies.map { try residentKilobytes($0) }
                let senders = [client, server].map { socket in Background { try Pattern.send(over: socket) } }
                // Until nothing moves any more: everything between the two is full.
                var moved = -1.0
                let isStalled = try eventually(within: .seconds(10)) {
                    let now = try mesh.a.admin.metric("apus_bytes_total")
                    defer { moved = now }
                    usleep(200_000)
                    return now == moved
                }
                #expect(isStalled, "a reader that does not read must stop the sender")
                let grown = try zip(mesh.proxies, before).map { try residentKilobytes($0) - $1 }
                #expect(grown.allSatisfy { $0 < 8192 }, "resident memory grew by \(grown) KiB")
                let readers = [client, server].map { socket in
                    Background { try Pattern.verify(from: socket, pauseMicroseconds: 500) }
                }
                for sender in senders { try sender.value() }
                for reader in readers { #expect(try reader.value() == Pattern.chunkCount) }
                client.close()
                server.close()
                let record = try mesh.a.record { $0.direction == "outbound" }
                #expect(record.bytesSent == Pattern.byteCount)
                #expect(record.bytesReceived == Pattern.byteCount)
            }
        }

        private func residentKilobytes(_ proxy: ProxyHost) throws -> Int {
            let status = try String(contentsOfFile: "/proc/\(proxy.process.pid)/status", encoding: .utf8)
            let line = try #require(status.split(separator: "\n").first { $0.hasPrefix("VmRSS:") })
            return try #require(Int(line.filter(\.isNumber)))
        }

        @Test func clientEndsFirst() throws {
            try withConnection { _, client, server in
                try client.send("question")
                try client.shutdownWrite()
                #expect(try server.receiveAll() == Array("question".utf8))
                try server.send("late answer")
                server.close()
                #expect(try client.receiveAll() == Array("late answer".utf8))
            }
        }

        @Test func serverEndsFirst() throws {
            try withConnection { mesh, client, server in
                try server.send("greeting")
                try server.shutdownWrite()
                #expect(try client.receiveAll() == Array("greeting".utf8))
                try client.send("late question")
                client.close()
                #expect(try server.receiveAll() == Array("late question".utf8))
                server.close()
                let record = try mesh.a.record { $0.direction == "outbound" }
                #expect(record.bytesSent == 13)
                #expect(record.bytesReceived == 8)
            }
        }

        @Test func clientResets() throws {
            try withConnection { _, client, server in
                try client.send("x")
                #expect(try server.receive() == Array("x".utf8))
                client.reset()
                let error = #expect(throws: LabError.self) { try server.receive() }
                #expect(error?.isReset == true, "a reset is not an end")
            }
        }

        @Test func serverResets() throws {
            try withConnection { _, client, server in
                try server.send("x")
                #expect(try client.receive() == Array("x".utf8))
                server.reset()
                let error = #expect(throws: LabError.self) { try client.receive() }
                #expect(error?.isReset == true, "a reset is not an end")
            }
        }

        /// Two clients, because a client has 4,880 source ports for one destination.
        @Test func fiveThousandConnectionsAtOnce() throws {
            try raiseDescriptorLimit()
            try withMesh { mesh in
                let server = try mesh.lab[.b1].echo()
                let target = SocketAddress(PodName.b1.v4, 8080)
                let clients = try (0..<5000).map { number in
                    try mesh.lab[number % 2 == 0 ? .a1 : .a2].connect(to: target, timeout: .seconds(10))
                }
                for client in clients { _ = try client.receiveLine() }
                #expect(server.active == 5000)
                #expect(try mesh.a.admin.metric("apus_connections_active") >= 5000)
                for (number, client) in clients.enumerated() { try client.send("\(number)\n") }
                for (number, client) in clients.enumerated() { #expect(try client.receiveLine() == "\(number)") }
                for client in clients { client.close() }
                let isEmpty = try eventually { try mesh.a.admin.metric("apus_connections_active") == 0 }
                #expect(isEmpty, "every connection was counted down again")
            }
        }

        /// This process holds both ends; children inherit the limit, and each proxy needs two descriptors a connection.
        private func raiseDescriptorLimit() throws {
            let limit = try LabProcess.raiseDescriptorLimit(to: 32768)
            try #require(limit >= 16384, "5,000 connections need 16,384 descriptors; the limit is \(limit)")
        }
    }
}

/// 64 MiB in chunks that carry their number, so that a lost, doubled or exchanged chunk shows.
private enum Pattern {
    static let chunkCount = 1024
    static let chunkBytes = 65536
    static var byteCount: Int { chunkCount * chunkBytes }

    private static let base: [UInt8] = {
        var generator = SystemRandomNumberGenerator()
        return (0..<chunkBytes).map { _ in UInt8.random(in: 0...255, using: &generator) }
    }()

    private static func chunk(_ number: Int) -> [UInt8] {
        var chunk = base
        for byte in 0..<8 { chunk[byte] = UInt8(truncatingIfNeeded: number >> (8 * byte)) }
        return chunk
    }

    static func send(over socket: LabSocket) throws {
        for number in 0..<chunkCount { try socket.send(chunk(number)) }
    }

    /// Reads everything with a pause after each chunk; how many chunks were right.
    static func verify(from socket: LabSocket, pauseMicroseconds: UInt32) throws -> Int {
        for number in 0..<chunkCount {
            guard try socket.receive(exactly: chunkBytes) == chunk(number) else { return number }
            usleep(pauseMicroseconds)
        }
        return chunkCount
    }
}
