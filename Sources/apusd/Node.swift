import Control
import Logging
import Model
import Proxy
import Syscalls
import UnixSignals

/// The running process: wires configuration, data plane and admin side together.
struct Node {
    let configuration: Configuration
    let workersOverride: Int?

    init(_ configuration: Configuration, workersOverride: Int?) {
        self.configuration = configuration
        self.workersOverride = workersOverride
    }

    func run() async throws {
        let shared = SharedState()
        let names = SlotNames()
        var compiler = SnapshotCompiler(shared: shared, names: names)
        let snapshot = try compiler.compile(configuration, oldestGenerationInUse: 0)
        let limit = try ProcessLimits.raiseDescriptorLimit()
        let workers = workersOverride ?? configuration.workers ?? ProcessLimits.usableCores
        let server = try ProxyServer(
            snapshot, workers: workers, descriptorLimit: limit, shared: shared, names: names)
        try server.openListeners()
        for await signal in await UnixSignalsSequence(trapping: .sigterm, .sigint) {
            _ = signal
            break
        }
        _ = await server.stop(within: configuration.drainTimeout)
    }
}
