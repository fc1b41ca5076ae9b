import Foundation
import Lab
import Testing

/// What keeps two proxies from sharing a host's traffic without a word.
extension NodeTests {
    @Suite struct ClaimTests {
        private static let nobody = ["setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups"]

        /// Whoever it runs as, and wherever it may write: a second one is refused, the next generation takes over.
        @Test(arguments: [[], nobody]) func thereIsOneForEachAdminAddress(user: [String]) throws {
            let lab = try Lab.up()
            defer { lab.down() }
            let host = lab[.a]
            defer { try? FileManager.default.removeItem(atPath: "/tmp/apus-65534/\(host.namespace.inode)") }
            let file = try lab.workspace.write(
                "version: 1\nworkers: 1\nadmin: {address: 127.0.0.1, port: 15000}\n", to: "claims.yaml")
            let command = ["env", "-u", "RUNTIME_DIRECTORY"] + user + [try Programs.path("apusd"), "--config", file]
            let admin = try ProxyHost(ProxyConfiguration(.a), in: lab).admin
            func start(_ label: String, _ more: [String] = []) throws -> LabProcess {
                let process = try host.start(command + more, label: label)
                let isReady = eventually(within: .seconds(20)) {
                    !process.isRunning || process.errors.contains(more.isEmpty ? "serving" : "taken over")
                }
                #expect(isReady && process.isRunning, "\(process.errors)")
                return process
            }

            let first = try start("first")
            let second = try host.run(command)
            #expect(second.exit == .status(1) && second.errors.contains("another apusd runs with this"), "\(second)")
            let next = try start("next", ["--take-over"])
            #expect(try first.wait() == .status(0), "\(first.errors)")
            #expect(try admin.request("/ready").status == 200)
            // What was handed over holds, too, and what a killed process held is free.
            let third = try host.run(command)
            #expect(third.exit == .status(1) && third.errors.contains("another apusd runs with this"), "\(third)")
            next.signal(SIGKILL)
            try next.wait()
            let last = try start("last")
            last.signal(SIGTERM)
            #expect(try last.wait() == .status(0))
        }
    }
}
