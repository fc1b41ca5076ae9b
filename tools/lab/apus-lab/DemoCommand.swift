import ArgumentParser
import Foundation
import Glibc
import Lab

struct DemoCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "demo",
        abstract: "Show the whole job: rules, proxies, traffic, a denial, a reload, a crash, failover.",
        discussion: "Builds its own lab and removes it. Exit status 0 only if everything was as expected.")

    @Option(help: "The backend of 'apusctl redirect': auto, nft or iptables.")
    var backend = "auto"

    func run() throws {
        let lab = try Lab.up(hostCount: 3)
        defer { lab.down() }
        let interrupts = [SIGINT, SIGTERM].map { Self.onSignal($0, takeDown: lab) }
        defer { for interrupt in interrupts { interrupt.cancel() } }
        let report = DemoReport()
        let demo = try Demo(lab: lab, report: report, backend: backend)
        do {
            try demo.run()
        } catch {
            report.failure("\(error)")
            demo.printProxyErrors()
            throw ExitCode.failure
        }
    }

    /// Ctrl-C leaves no lab behind.
    private static func onSignal(_ number: Int32, takeDown lab: Lab) -> any DispatchSourceSignal {
        signal(number, SIG_IGN)
        let source = DispatchSource.makeSignalSource(signal: number, queue: .global())
        source.setEventHandler {
            lab.down()
            Glibc.exit(128 + number)
        }
        source.resume()
        return source
    }
}
