import Foundation
import Loopback
import Model
import Testing

import class Lab.LabProcess

extension RunningDaemon {
    /// How `apusd` starts, or says why it does not.
    @Suite(.timeLimit(.minutes(2))) struct StartTests {
        @Test func checkingAFile() throws {
            let daemon = try Daemon()
            let server = try freeAddress()
            try daemon.write(daemon.text(web: try freeAddress(), to: [server]))
            try daemon.start(["--config", daemon.file.path, "--check"])
            #expect(try daemon.exit().status == .status(0))

            try daemon.write(
                daemon.text(web: try freeAddress(), to: [server]).replacingOccurrences(
                    of: "workers: 1", with: "workers: 0")
                    + "    loadBalancer: best\n    colour: red\n")
            try daemon.start(["--config", daemon.file.path, "--check"])
            let (status, errors) = try daemon.exit()
            #expect(status == .status(78))
            for problem in ["workers", "loadBalancer", "colour"] { #expect(errors.contains(problem), "\(errors)") }
            #expect(errors.contains("\(daemon.file.path):2:"), "\(errors)")

            // The same without --check: nothing is started.
            try daemon.start()
            #expect(try daemon.exit().status == .status(78))
            try daemon.start(["--config", daemon.folder.path + "/none.yaml"])
            #expect(try daemon.exit().status == .status(78))
        }

        @Test(arguments: [["--wrong"], [], ["--config"], ["--config", "x", "--workers", "0"]])
        func usage(arguments: [String]) throws {
            let daemon = try Daemon()
            try daemon.start(arguments)
            #expect(try daemon.exit().status == .status(64))
        }

        /// Without an admin port of its own and without interception there is no name under which the next generation could
        /// look for it, and nothing to wait for.
        @Test func restsWhenThereIsNothingToDo() async throws {
            let daemon = try Daemon()
            let (server, web) = (try Server.greeter("x"), try freeAddress())
            try daemon.write(
                daemon.text(web: web, to: [server.address])
                    .replacingOccurrences(of: "port: \(daemon.admin.port)", with: "port: 0"))
            let process = try daemon.start()
            let isReady = await eventually { (try? Peer(to: web).receive(asLongAs: "x")) == "x" }
            try #require(isReady, "\(process.errors)")
            let before = try daemon.cpuSeconds()
            let start = ContinuousClock.now
            // Long enough for a spin to show: a second of CPU against a few ticks.
            try await Task.sleep(for: .seconds(1))
            let spent = try daemon.cpuSeconds() - before
            #expect(spent < 0.3, "\(spent) s of CPU in \(ContinuousClock.now - start)")
        }

        @Test func aTakenAdminPort() throws {
            let daemon = try Daemon()
            let other = try Acceptor(daemon.admin)
            try daemon.write(daemon.text(web: try freeAddress(), to: []))
            try daemon.start()
            let (status, errors) = try daemon.exit()
            #expect(status == .status(1))
            #expect(errors.contains("\(daemon.admin.port)") && errors.lowercased().contains("in use"), "\(errors)")
            withExtendedLifetime(other) {}
        }

        @Test func aTakenListenerPort() throws {
            let daemon = try Daemon()
            let other = try Acceptor()
            try daemon.write(daemon.text(web: other.address, to: []))
            try daemon.start()
            let (status, errors) = try daemon.exit()
            #expect(status == .status(1))
            #expect(errors.contains("listener web: \(other.address): address already in use"), "\(errors)")
            withExtendedLifetime(other) {}
        }
    }
}
