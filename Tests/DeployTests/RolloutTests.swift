import Control
import Foundation
import Loopback
import Model
import Testing
import Yams

/// What must hold for pods to be replaced, and for hosts to be drained, without anybody's noticing.
@Suite(OwnThreadTrait()) struct RolloutTests {
    @Test(arguments: Manifests.kustomizations)
    func connectionsHaveTimeToEnd(folder: String) throws {
        let manifests = try Manifests(folder)
        let text = try #require(manifests.configuration)
        let environment = ["NODE_NAME": "n", "APUS_MODE": "local", "POD_CIDR": "10.1.0.0/24", "POD_CIDR_2": ""]
        let configuration = try ConfigurationLoader(file: "apus.yaml", environment: environment).load(text)
        for workload in manifests.workloads {
            let grace = try #require(workload.pod?["terminationGracePeriodSeconds"]?.int)
            #expect(.seconds(grace) >= configuration.drainTimeout + .seconds(10), "\(workload)")
        }
        // The scripts and probes ask at the port that the configuration has.
        #expect(configuration.admin.port == 15000 && configuration.admin.address == IPAddress("127.0.0.1"))
        for script in ["apusd-generation", "apusd-is-here", "apusd-drain"] {
            #expect(try Deployment.text("k8s/image/\(script)").contains("${APUS_ADMIN:-127.0.0.1:15000}"), "\(script)")
        }
    }

    /// A second pod on the host is what the hand-over needs, and a named port what keeps it away.
    @Test func hostsAreReplacedByHandOver() throws {
        let workload = try #require(try Manifests("k8s/base").workloads.first { $0.kind == "DaemonSet" })
        let strategy = workload.node["spec"]?["updateStrategy"]
        #expect(strategy?["type"]?.string == "RollingUpdate")
        #expect(strategy?["rollingUpdate"]?["maxSurge"]?.int == 1)
        #expect(strategy?["rollingUpdate"]?["maxUnavailable"]?.int == 0)
        #expect((workload.containers + workload.initContainers).allSatisfy { $0.node["ports"] == nil })
        #expect(try workload.container("apusd").command == ["apusd-generation"])
        #expect(try Deployment.text("k8s/image/apusd-generation").contains("--take-over"))
    }

    @Test(arguments: Manifests.kustomizations)
    func theProxyIsNeverKilledForBeingSlow(folder: String) throws {
        for workload in try Manifests(folder).workloads {
            for container in workload.containers {
                #expect(container.node["livenessProbe"] == nil && container.node["startupProbe"] == nil)
                #expect(container.node["resources"]?["limits"]?["cpu"] == nil)
                #expect(container.node["resources"]?["requests"]?["cpu"] != nil)
                #expect(container.node["resources"]?["limits"]?["memory"] != nil)
            }
            let apusd = try workload.container("apusd")
            #expect(Container.texts(apusd.node["readinessProbe"]?["exec"]?["command"]) == ["apusd-is-here", "ready"])
            #expect(Container.texts(apusd.node["lifecycle"]?["preStop"]?["exec"]?["command"]) == ["apusd-drain"])
            // Two of the same name on a host would be a proxy and its replacement: the guard must see its own pod's.
            #expect(workload.pod?["shareProcessNamespace"]?.bool == true)
            #expect(workload.pod?["hostNetwork"]?.bool == true)
            #expect(workload.pod?["hostPID"] == nil)
            #expect(workload.pod?["priorityClassName"]?.string == "system-node-critical")
        }
    }

    /// A path that the admin API does not have would keep every pod unready for ever.
    @Test func theScriptsAskForWhatThereIs() throws {
        let source = try Deployment.text("Sources/Admin/AdminAPI.swift")
        let scripts = try ["apusd-generation", "apusd-is-here", "apusd-drain"].map {
            try Deployment.text("k8s/image/\($0)")
        }
        let asked = scripts.flatMap { $0.matches(of: /15000}\/([a-z]+)"/).map { String($0.output.1) } } + ["ready"]
        #expect(asked.contains("live") && asked.contains("drain"))
        let words = Set(source.split { !$0.isLetter }.map(String.init))
        for path in asked { #expect(words.contains(path), "\(path)") }
    }

    @Test func remotesAreKeptApartAndKeptAlive() throws {
        let manifests = try Manifests("k8s/overlays/kind")
        let remote = try #require(manifests.workloads.first { $0.kind == "Deployment" })
        let host = try #require(manifests.workloads.first { $0.kind == "DaemonSet" })
        let mode = { (workload: Workload) in
            Set((workload.containers + workload.initContainers).compactMap { $0.variables["APUS_MODE"] })
        }
        #expect(mode(remote) == ["remote"] && mode(host) == ["local"])
        // Never both on one node: they use the same ports.
        #expect(remote.pod?["nodeSelector"]?["apus/role"]?.string == "remote")
        let affinity = try Yams.serialize(node: #require(host.pod?["affinity"]?["nodeAffinity"]))
        #expect(affinity.contains("NotIn") && affinity.contains("apus/role"))
        let apart = remote.pod?["affinity"]?["podAntiAffinity"]?["requiredDuringSchedulingIgnoredDuringExecution"]
        #expect(apart?.sequence?.first?["topologyKey"]?.string == "kubernetes.io/hostname")
        let budget = try #require(manifests.objects("PodDisruptionBudget").first)
        #expect(budget["spec"]?["selector"]?["matchLabels"] == remote.node["spec"]?["selector"]?["matchLabels"])
    }
}
