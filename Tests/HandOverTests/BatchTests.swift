import Foundation
import Loopback
import Model
import Proxy
import Syscalls
import Testing

@testable import HandOver

/// Connections as they arrive, well or not.
struct BatchTests {
    /// As one that a process of this version writes.
    private static func text(_ change: (inout [String: Any]) -> Void = { _ in }) throws -> [UInt8] {
        let flow: [String: Any] = [
            "bytes": 5, "pending": 2, "readToEnd": false, "sourceEnded": false, "finished": false,
        ]
        var state: [String: Any] = [
            "client": "127.0.0.1:1", "originalDestination": "127.0.0.1:2", "endpoint": "127.0.0.1:3",
            "source": "127.0.0.1:4", "direction": 2, "countsForPod": false, "countsForDestinationPod": false,
            "listener": "web", "cluster": "servers", "startedWall": 1, "started": 1, "lastActivity": 1, "connect": 1,
            "idleTimeout": 1, "attempts": 1, "up": flow, "down": flow, "holdsPort": false, "downstreamBroken": false,
            "upstreamBroken": false,
        ]
        change(&state)
        return Array(try JSONSerialization.data(withJSONObject: ["tunnels": [state, state]]))
    }

    private func frame(descriptors: Int, bytes: Int = 8, text: [UInt8]? = nil) throws -> Frame {
        var frame = Frame(kind: .tunnels, text: try text ?? Self.text())
        frame.bytes = Array(0..<UInt8(bytes))
        frame.descriptors = try (0..<descriptors).map { _ in
            // Any descriptor will do.
            Descriptor.Parcel(Descriptor(taking: try Socket(family: .v4).release().release()))
        }
        return frame
    }

    @Test func eachConnectionHasItsBytesAndDescriptors() throws {
        let batch = try Batch(try frame(descriptors: 4))
        #expect(batch.states.count == 2 && batch.isWhole(0) && batch.isWhole(1))
        let (first, second) = (batch.content(1) != nil, batch.content(1) != nil)
        #expect(first && !second, "once")
    }

    /// The kernel leaves out what is over the limit of open files.
    @Test func withoutDescriptorsAConnectionIsNotTaken() throws {
        let batch = try Batch(try frame(descriptors: 3))
        #expect(batch.isWhole(0) && !batch.isWhole(1))
        let isThere = batch.content(1) != nil
        #expect(!isThere)
    }

    @Test(arguments: [(4, 7), (4, 9), (5, 8)]) func whatDoesNotAddUpIsRefused(descriptors: Int, bytes: Int) throws {
        let frame = try frame(descriptors: descriptors, bytes: bytes)
        #expect(throws: Frame.Problem.self) { _ = try Batch(frame) }
    }

    @Test(arguments: ["startedWall", "started", "lastActivity", "connect", "idleTimeout", "halfOpenSince"])
    func timesThatWouldOverflowAreRefused(field: String) throws {
        let (shared, names) = (SharedState(), SlotNames())
        var compiler = SnapshotCompiler(shared: shared, names: names)
        let configuration = Configuration(
            listeners: [.init(name: "web", address: SocketAddress(.loopbackV4, 0), cluster: "servers")],
            clusters: [.init(name: "servers", discovery: .endpoints([]))])
        let snapshot = try compiler.compile(configuration, oldestGenerationInUse: 0)
        for (value, isSound) in [(Int64(7), true), (.min, false), (.max, false), (-1, false)] {
            let text = try Self.text { $0[field] = value }
            let batch = try Batch(try frame(descriptors: 4, text: text))
            let state = try #require(batch.states.first)
            do throws(TunnelRefusal) {
                try state.check(TunnelNames(snapshot))
                #expect(isSound, "\(field) \(value)")
            } catch {
                #expect(!isSound && "\(error)".contains("times"), "\(field) \(value): \(error)")
            }
        }
    }

    /// They come beside every byte of a message that says it is long: a way to use up this process's.
    @Test func aMessageWithManyDescriptorsIsRefused() throws {
        let name = "apus test \(UInt64.random(in: 0 ... .max))"
        let claim = try Claim(name, in: "/tmp")
        try claim.listen()
        let sender = try LocalSocket(path: Claim.socketPath(name, in: "/tmp"))
        guard let receiver = try claim.accept(within: 10_000) else {
            Issue.record("nobody connected")
            return
        }
        let numbers = Array(repeating: Int32(0), count: LocalSocket.descriptorsMax)
        for _ in 0..<3 { try sender.send([0], descriptors: numbers) }
        var descriptors: [Descriptor.Parcel] = []
        do throws(Errno) {
            _ = try receiver.receive(exactly: 3, into: &descriptors)
            Issue.record("taken")
        } catch {
            #expect(error == .messageSize)
        }
    }
}
