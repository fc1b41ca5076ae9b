import Foundation
import Loopback
import Model
import Smuggling
import Testing

import class Lab.LabProcess

extension RunningDaemon {
    /// The vectors through a real `apusd`, in front of servers of other people: what comes back, and that the server has
    /// seen as many requests as the vector says, whole ones only.
    @Suite(.timeLimit(.minutes(2))) struct SmugglingTests {
        @Test func inFrontOfNginx() async throws {
            let daemon = try Daemon()
            let nginx = try Nginx(in: daemon.folder, counting: true)
            try await check(daemon, nginx.address) { nginx.counted }
        }

        @Test func inFrontOfPython() async throws {
            let daemon = try Daemon()
            let server = try await PythonServer(in: daemon.folder)
            try await check(daemon, server.address) { server.counted }
        }

        private func check(_ daemon: Daemon, _ server: SocketAddress, _ counted: () -> Int) async throws {
            let web = try freeAddress()
            try daemon.write(daemon.http(web, to: [server], speaks: "http1"))
            try await daemon.startServing()
            var total = 0
            for vector in SmugglingVector.all {
                let (requests, refusal): (Int, Int?) =
                    switch vector.expected {
                    case .refused(let status): (0, status)
                    case .requests(let count): (count, nil)
                    case .requestsThenRefused(let count, let status): (count, status)
                    }
                let client = try HTTPConnection(to: web)
                try client.peer.send(vector.bytes)
                // So that what waits for more bytes ends, too.
                client.peer.shutdownWrite()
                var statuses: [Int] = []
                while let answer = try? client.message(answersHead: vector.isAboutHead(statuses.count)) {
                    statuses.append(answer.status ?? 0)
                }
                statuses.removeAll { $0 == 100 }
                if let refusal {
                    #expect(statuses.last == refusal && statuses.count == requests + 1, "\(vector): \(statuses)")
                } else {
                    #expect(statuses.count == requests, "\(vector): \(statuses)")
                }
                total += requests
                let isRight = await eventually(within: .seconds(2)) { counted() == total }
                #expect(isRight, "\(vector): the server has seen \(counted() - total + requests) requests")
                total = counted()
            }
            #expect(daemon.process?.isRunning == true)
            #expect(try await daemon.isAtRest())
        }
    }
}

extension SmugglingVector {
    /// Whether the answer with this index is one to HEAD.
    func isAboutHead(_ index: Int) -> Bool { index == 0 && String(decoding: bytes.prefix(5), as: UTF8.self) == "HEAD " }
}
