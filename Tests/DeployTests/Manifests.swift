import Foundation
import Testing
import Yams

/// A rendered kustomization: what `kubectl apply -k` would send.
struct Manifests {
    /// Those that an operator applies, by folder.
    static let kustomizations = ["k8s/base", "k8s/overlays/kind"]

    let text: String
    let objects: [Node]

    /// Renders a folder with the kustomize that kubectl has in it.
    init(_ folder: String) throws {
        let output = try Deployment.run(Deployment.tool("kubectl"), ["kustomize", Deployment.path(folder)])
        try #require(output.status == 0, "\(folder): \(output.errors)")
        text = output.text
        objects = Array(try Yams.compose_all(yaml: text))
    }

    func objects(_ kind: String) -> [Node] { objects.filter { $0["kind"]?.string == kind } }

    /// DaemonSets and Deployments.
    var workloads: [Workload] { (objects("DaemonSet") + objects("Deployment")).map(Workload.init) }

    /// The file that all processes read.
    var configuration: String? { objects("ConfigMap").first?["data"]?["apus.yaml"]?.string }
}

/// Something that makes pods.
struct Workload: CustomTestStringConvertible {
    let node: Node

    var name: String { node["metadata"]?["name"]?.string ?? "?" }
    var kind: String { node["kind"]?.string ?? "?" }
    var pod: Node? { node["spec"]?["template"]?["spec"] }
    var containers: [Container] { Self.containers(pod?["containers"]) }
    var initContainers: [Container] { Self.containers(pod?["initContainers"]) }
    var testDescription: String { "\(kind)/\(name)" }

    private static func containers(_ list: Node?) -> [Container] {
        (list?.sequence ?? []).map { Container(node: $0) }
    }

    func container(_ name: String) throws -> Container {
        try #require(
            (containers + initContainers).first { $0.name == name }, "\(testDescription): no container \(name)")
    }
}

/// One container of a pod.
struct Container {
    let node: Node

    var name: String { node["name"]?.string ?? "?" }
    var security: Node? { node["securityContext"] }
    var command: [String] { Self.texts(node["command"]) + Self.texts(node["args"]) }
    var capabilities: Set<String> { Set(Self.texts(security?["capabilities"]?["add"])) }
    var mounts: [(volume: String, path: String, isReadOnly: Bool)] {
        (node["volumeMounts"]?.sequence ?? []).map {
            ($0["name"]?.string ?? "?", $0["mountPath"]?.string ?? "?", $0["readOnly"]?.bool ?? false)
        }
    }
    /// Its plain variables.
    var variables: [String: String] {
        let pairs = (node["env"]?.sequence ?? []).compactMap { entry in
            entry["value"]?.string.map { (entry["name"]?.string ?? "?", $0) }
        }
        return Dictionary(pairs) { $1 }
    }

    static func texts(_ list: Node?) -> [String] { (list?.sequence ?? []).compactMap(\.string) }
}
