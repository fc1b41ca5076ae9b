import Foundation
import Model
import Proxy

/// A data plane whose configuration is replaced every second, without a file in between: reading 100,000 endpoints as
/// YAML alone takes longer. Relays from a port that it prints to ADDRESS:PORT. For tools/bench/reload.
///
///     apus-churn ADDRESS:PORT SECONDS WORKERS ENDPOINTS CLUSTERS PODS BALANCER CHECK_SECONDS
///
/// CHECK_SECONDS is the interval of health checks, 0 for none. Each line of its standard input makes it print what
/// workers' turns took so far, as `/metrics` does; after the first one it does SECONDS reloads. It ends with its input.
@main
struct Churn {
    let table: Table
    let server: ProxyServer
    var compiler: SnapshotCompiler

    static func main() async throws {
        let arguments = Array(CommandLine.arguments.dropFirst())
        guard arguments.count == 8, let backend = SocketAddress(arguments[0]),
            let balancer = Configuration.Cluster.LoadBalancer(rawValue: arguments[6])
        else { fatalError("usage: see tools/bench/churn/Churn.swift") }
        let numbers = arguments.map { Int($0) ?? 0 }
        let table = Table(
            backend: backend, endpoints: numbers[3], clusters: max(1, numbers[4]), pods: numbers[5], balancer: balancer,
            checkSeconds: numbers[7])
        var churn = try Churn(table, workers: max(1, numbers[2]))
        print(churn.server.listeners.first { $0.name == "web" }.map { "\($0.address)" } ?? "not listening")
        fflush(nil)
        _ = readLine()
        churn.report()
        for second in 1...max(1, numbers[1]) { try await churn.reload(second) }
        print("done")
        fflush(nil)
        while readLine() != nil { churn.report() }
        exit(0)
    }

    init(_ table: Table, workers: Int) throws {
        self.table = table
        let (shared, names) = (SharedState(), SlotNames())
        compiler = SnapshotCompiler(shared: shared, names: names)
        let snapshot = try compiler.compile(table.configuration(0), oldestGenerationInUse: 0)
        server = try ProxyServer(snapshot, workers: workers, descriptorLimit: 20000, shared: shared, names: names)
        try server.openListeners()
    }

    /// One reload, at the end of this second. Prints what it cost the control side.
    mutating func reload(_ second: Int) async throws {
        let clock = ContinuousClock()
        let next = clock.now + .seconds(1)
        let configuration = table.configuration(second)
        let start = clock.now
        // As apusd does: what is refused must leave no trace.
        var compiler = compiler
        let snapshot = try compiler.compile(configuration, oldestGenerationInUse: server.oldestGenerationInUse)
        let compiled = clock.now
        try await server.apply(snapshot)
        let adopted = server.oldestGenerationInUse == snapshot.generation
        self.compiler = compiler
        print("reload \(second) compile \(compiled - start) publish \(clock.now - compiled) adopted \(adopted)")
        fflush(nil)
        try await Task.sleep(until: next)
    }

    private func report() {
        print("apus_config_generation \(server.oldestGenerationInUse)")
        for (index, worker) in server.workerStatistics.enumerated() {
            let value = { worker.turns.value(slot: 0, counter: $0) }
            var count = 0
            for (bucket, bound) in TurnHistogram.bounds.enumerated() {
                count += value(bucket)
                print("apus_worker_turn_seconds_bucket{worker=\"\(index)\",le=\"\(Double(bound) / 1e9)\"} \(count)")
            }
            count += value(TurnHistogram.bounds.count)
            print("apus_worker_turn_seconds_bucket{worker=\"\(index)\",le=\"+Inf\"} \(count)")
            print("apus_worker_turn_max_seconds{worker=\"\(index)\"} \(Double(value(TurnHistogram.max)) / 1e9)")
        }
        print("end")
        fflush(nil)
    }
}
