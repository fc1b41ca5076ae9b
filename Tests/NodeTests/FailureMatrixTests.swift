import Lab
import Testing

/// Every way of a connection in every state of the proxies, the remote, the guard and the rules: what its client sees.
extension NodeTests {
    @Suite struct FailureMatrixTests {
        private typealias Remote = FailureCells.Remote

        @Test(arguments: [
            FailureCells.Settings(reversePathFilter: 0, sourceValidMark: 0),
            FailureCells.Settings(reversePathFilter: 1, sourceValidMark: 0),
            FailureCells.Settings(reversePathFilter: 0, sourceValidMark: 1),
            FailureCells.Settings(reversePathFilter: 1, sourceValidMark: 1),
        ])
        func everyCell(settings: FailureCells.Settings) throws {
            try withRemote({ $0.prepare = settings.prepare }) { mesh in
                for proxy in [mesh.a, mesh.b] { try proxy.start() }
                try FailureCells.run(mesh.lab, mesh.a, mesh.b, standIns: (mesh.c, mesh.c)) { cells in
                    try RemoteMatrix(mesh: mesh, cells: cells).run()
                }
            }
        }

        @Test(arguments: [
            FailureCells.Settings(reversePathFilter: 0, sourceValidMark: 0),
            FailureCells.Settings(reversePathFilter: 1, sourceValidMark: 1),
        ])
        func everyCellOfBuddies(settings: FailureCells.Settings) throws {
            try withBuddies({ $0.prepare = settings.prepare }) { mesh in
                try FailureCells.run(mesh.lab, mesh.a, mesh.b, standIns: (mesh.b, mesh.a)) { cells in
                    try BuddyMatrix(mesh: mesh, cells: cells).run()
                }
            }
        }

        /// The states, one after the other on one lab. C stands in for A and B.
        private struct RemoteMatrix {
            let mesh: RemoteMesh
            let cells: FailureCells

            func run() throws {
                try cells.all("everybody alive") { _ in Remote() }
                try mesh.a.kill()
                try cells.all("A's proxy dead") { _ in Remote(a: 1) }
                try mesh.b.kill()
                try cells.all("both proxies dead", Self.both)
                try remoteFails()
                for proxy in [mesh.a, mesh.b] { try proxy.start() }
                try cells.settle("the return") { cells.path($0) == "local" }
                try cells.all("the return") { _ in Remote() }
                try cells.guardsDie(mesh.a) { _ in Remote(a: 1) }
                try cells.rulesAreFlushed([
                    "nft flush table inet apus", "nft delete table inet apus", "nft flush ruleset",
                ])
                try cells.flapping(mesh.a)
            }

            private static func both(_ way: FailureCells.Way) -> Remote {
                way == .sameHost ? Remote(a: 1) : Remote(a: 1, b: 1)
            }

            /// Dead, so that its host refuses; then unreachable, so that nobody answers. The guards go on to `direct`.
            private func remoteFails() throws {
                try mesh.c.kill()
                try cells.settle("the remote dead") { cells.path($0) == "direct" }
                try cells.all("the remote dead") { _ in Remote() }
                try mesh.c.start()
                try cells.settle("the remote back") { cells.path($0) == "remote" }
                try cells.all("the remote back", Self.both)
                try cells.cut(.c, true)
                try cells.settle("the remote unreachable") { cells.path($0) == "direct" }
                try cells.all("the remote unreachable") { _ in Remote() }
                try cells.cut(.c, false)
                try cells.settle("the remote reachable") { cells.path($0) == "remote" }
            }
        }

        /// The same where A and B stand in for each other: either one, both, and the way between them.
        private struct BuddyMatrix {
            let mesh: Mesh
            let cells: FailureCells

            func run() throws {
                try cells.all("everybody alive") { _ in Remote() }
                try mesh.a.kill()
                try cells.all("A's proxy dead") { _ in Remote(a: 1) }
                try buddyFails()
                try mesh.a.start()
                try returned("A's return")
                try mesh.b.kill()
                try cells.all("B's proxy dead", reset: Self.clash, Self.withoutB)
                try mesh.b.start()
                try returned("B's return")
                try cells.guardsDie(mesh.b, reset: Self.clash, Self.withoutB)
                try cells.rulesAreFlushed(["nft delete table inet apus"])
                try cells.flapping(mesh.a)
            }

            /// Two pods of A need nobody else.
            private static func withoutB(_ way: FailureCells.Way) -> Remote {
                way == .sameHost ? Remote() : Remote(b: 1)
            }

            /// A's proxy dials the cluster address, A's kernel translates it to a pod of B, and what B sends back into the
            /// tunnel has the addresses and ports that the translated connection has on A: conntrack has no place for both.
            private static let clash = [FailureCells.Way.clusterIP]

            /// While A's proxy is dead, its buddy cannot be reached, and then dies as well.
            private func buddyFails() throws {
                let guardA = cells.guards[0]
                try cells.cut(.b, true)
                try cells.settle("the buddy unreachable") { $0 !== guardA || cells.path($0) == "direct" }
                try cells.all("the buddy unreachable") { _ in Remote() }
                try cells.cut(.b, false)
                try cells.settle("the buddy reachable") { $0 !== guardA || cells.path($0) == "remote" }
                try cells.all("the buddy reachable") { _ in Remote(a: 1) }
                try mesh.b.kill()
                try cells.settle("both proxies dead") { cells.path($0) == "direct" }
                try cells.all("both proxies dead") { _ in Remote() }
                try mesh.b.start()
                try cells.settle("the buddy back") { cells.path($0) == ($0 === guardA ? "remote" : "local") }
                try cells.all("the buddy back") { _ in Remote(a: 1) }
            }

            private func returned(_ state: String) throws {
                try cells.settle(state) { cells.path($0) == "local" && $0.isRemoteHealthy == true }
                try cells.all(state) { _ in Remote() }
            }
        }
    }
}
