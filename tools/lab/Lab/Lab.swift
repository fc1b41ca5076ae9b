import Foundation
import Glibc
import Synchronization

/// A lab that is up. It goes down with `down()`, or when the last reference goes; a crashed owner's by the next `sweep`.
///
/// It touches nothing outside namespaces called after it, its directory in `/run/apus-lab`, and the directories that
/// `apusctl redirect` keeps under `/run/apus` for those namespaces.
public final class Lab: Sendable {
    /// Names and addresses.
    public let topology: Topology
    /// Its directory.
    public let workspace: Workspace
    private let namespaces: [String: Namespace]
    private let isDown: Atomic<Bool>

    /// Builds a lab. `name` is chosen when nil. With `kept`, it outlives this process until `apus-lab down`.
    public static func up(
        name: String? = nil, form: Topology.Form = .routed, hostCount: Int = 2, kept: Bool = false
    ) throws -> Lab {
        try requirePrivileges()
        sweepOnce
        let workspace = try Workspace.create(name: name ?? Workspace.uniqueName(), owned: !kept)
        let topology = Topology(name: workspace.name, form: form, hostCount: hostCount)
        do {
            let namespaces = try build(topology, in: workspace)
            return Lab(topology: topology, workspace: workspace, namespaces: namespaces, isDown: kept)
        } catch {
            tearDown(workspace)
            throw error
        }
    }

    /// `isDown` is true from the start for a kept lab: nothing of this process takes it down.
    private init(topology: Topology, workspace: Workspace, namespaces: [String: Namespace], isDown: Bool) {
        self.topology = topology
        self.workspace = workspace
        self.namespaces = namespaces
        self.isDown = Atomic(isDown)
    }

    deinit { down() }

    /// A host.
    public subscript(host: HostName) -> Node {
        node(topology.namespace(of: host), "\(host)") {
            Node(name: $0, v4: host.v4, v6: host.v6, namespace: $1, workspace: $2)
        }
    }

    /// A pod.
    public subscript(pod: PodName) -> Node {
        node(topology.namespace(of: pod), "\(pod)") {
            Node(name: $0, v4: pod.v4, v6: pod.v6, namespace: $1, workspace: $2)
        }
    }

    private func node(_ full: String, _ name: String, _ make: (String, Namespace, Workspace) -> Node) -> Node {
        guard let namespace = namespaces[full] else { preconditionFailure("lab \(topology.name) has no \(name)") }
        return make(name, namespace, workspace)
    }

    /// Ends every process in it and removes it.
    public func down() {
        guard !isDown.exchange(true, ordering: .relaxed) else { return }
        Self.tearDown(workspace)
    }

    /// Throws what is missing to build a lab, in words for the person who ran it.
    public static func requirePrivileges() throws(LabError) {
        guard geteuid() == 0 else {
            throw LabError("lab: network namespaces need root: run this as root (sudo), or in a privileged container")
        }
        guard FileManager.default.fileExists(atPath: "/proc/self/ns/net") else {
            throw LabError("lab: this kernel has no network namespaces (no /proc/self/ns/net)")
        }
    }

    private static let sweepOnce: Void = { _ = sweep() }()
}
