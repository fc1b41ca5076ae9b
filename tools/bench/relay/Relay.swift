import Glibc
import Model
import Proxy

/// The data plane alone, with one worker: no configuration file, no admin API, no signals, nothing that uses Dispatch.
/// For instruments that the whole of `apusd` is too much for (tools/bench/callgrind).
///
///     apus-relay ADDRESS:PORT [tcp | http1 | http2]
///
/// Relays from a port of its own, which it prints, to ADDRESS:PORT, until its standard input ends: bytes, or requests.
@main
struct Relay {
    static func main() throws {
        let arguments = CommandLine.arguments.dropFirst()
        guard let address = arguments.first.flatMap({ SocketAddress($0) }),
            let kind = Configuration.TrafficProtocol(rawValue: arguments.dropFirst().first ?? "tcp")
        else { fatalError("usage: apus-relay ADDRESS:PORT [tcp | http1 | http2]") }
        let configuration = Configuration(
            listeners: [
                Configuration.Listener(
                    name: "relay", address: SocketAddress(.loopbackV4, 0), cluster: "backend", protocolKind: kind)
            ],
            clusters: [
                Configuration.Cluster(
                    name: "backend", discovery: .endpoints([Configuration.Endpoint(address: address)]))
            ])
        let (shared, names) = (SharedState(), SlotNames())
        var compiler = SnapshotCompiler(shared: shared, names: names)
        let snapshot = try compiler.compile(configuration, oldestGenerationInUse: 0)
        let server = try ProxyServer(snapshot, workers: 1, descriptorLimit: 1024, shared: shared, names: names)
        try server.openListeners()
        print(server.listeners.first.map { "\($0.address)" } ?? "not listening")
        fflush(nil)
        while readLine() != nil {}
        exit(0)
    }
}
