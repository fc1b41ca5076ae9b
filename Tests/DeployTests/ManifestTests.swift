import Foundation
import Loopback
import Testing
import Yams

/// What is applied to a cluster: it must be well-formed, and it must be what it says it is.
@Suite(OwnThreadTrait()) struct ManifestTests {
    /// The oldest version that has everything that is used (a DaemonSet's maxSurge without a gate is 1.25), and the newest
    /// that the schemas know.
    private static let versions = ["1.25", "1.37"]

    @Test(arguments: Manifests.kustomizations)
    func everythingFitsTheSchemas(folder: String) throws {
        let files = try TemporaryFolder()
        defer { files.remove() }
        let manifests = try Manifests(folder)
        let file = try files.write("rendered.yaml", manifests.text)
        for version in Self.versions {
            let output = try Deployment.run(
                Deployment.tool("kubernetes-validate"), ["--strict", "--kubernetes-version", version, file])
            #expect(output.status == 0, "\(folder), \(version): \(output.text)\(output.errors)")
            let passed = output.text.split(separator: "\n").count { $0.contains(" passed ") }
            #expect(passed == manifests.objects.count, "\(folder), \(version): \(output.text)")
        }
    }

    /// A schema check that accepts anything would pass unseen.
    @Test func theSchemaCheckRefusesWhatIsWrong() throws {
        let files = try TemporaryFolder()
        defer { files.remove() }
        let wrong = try Manifests("k8s/base").text.replacingOccurrences(of: "maxSurge:", with: "maxSurges:")
        let output = try Deployment.run(
            Deployment.tool("kubernetes-validate"), ["--strict", files.write("wrong.yaml", wrong)])
        #expect(output.status != 0)
    }

    @Test(arguments: Manifests.kustomizations)
    func namesAgree(folder: String) throws {
        let manifests = try Manifests(folder)
        let accounts = manifests.objects("ServiceAccount").compactMap { $0["metadata"]?["name"]?.string }
        let maps = manifests.objects("ConfigMap").compactMap { $0["metadata"]?["name"]?.string } + ["kube-root-ca.crt"]
        let images = Set(
            manifests.workloads.flatMap { ($0.containers + $0.initContainers).map { $0.node["image"]?.string } })
        #expect(images == ["apus:0.1.0"])
        for workload in manifests.workloads {
            #expect(accounts.contains(workload.pod?["serviceAccountName"]?.string ?? "?"))
            let labels = workload.node["spec"]?["template"]?["metadata"]?["labels"]
            for (key, value) in workload.node["spec"]?["selector"]?["matchLabels"]?.mapping ?? [:] {
                #expect(labels?.mapping?[key] == value, "\(workload): \(key)")
            }
            let volumes = workload.pod?["volumes"]?.sequence ?? []
            let names = Set(volumes.compactMap { $0["name"]?.string })
            let mounted = Set((workload.containers + workload.initContainers).flatMap { $0.mounts.map(\.volume) })
            #expect(names == mounted, "\(workload): volumes and mounts")
            for volume in volumes {
                if let map = volume["configMap"]?["name"]?.string { #expect(maps.contains(map)) }
            }
        }
    }

    /// Else /proc does not show it the sockets of the process that it may have to end.
    @Test(arguments: Manifests.kustomizations)
    func theGuardMayWhateverTheProxyMay(folder: String) throws {
        for workload in try Manifests(folder).workloads {
            let capabilities = Dictionary(uniqueKeysWithValues: workload.containers.map { ($0.name, $0.capabilities) })
            guard let proxy = capabilities["apusd"], let guardian = capabilities["guard"] else { continue }
            #expect(proxy.isSubset(of: guardian), "\(workload.testDescription): \(proxy) and \(guardian)")
        }
    }

    /// Every one of them as narrow as the others: nothing of this may creep in with a later container.
    @Test(arguments: Manifests.kustomizations)
    func privilegesAreThoseThatAreNeeded(folder: String) throws {
        let needed: [String: Set<String>] = [
            "redirect": ["NET_ADMIN", "NET_RAW"], "apusd": ["NET_ADMIN"],
            "guard": ["NET_ADMIN", "NET_RAW", "SYS_ADMIN"],
        ]
        for workload in try Manifests(folder).workloads {
            for container in workload.containers + workload.initContainers {
                let place: Comment = "\(workload.testDescription) \(container.name)"
                let security = container.security
                #expect(container.capabilities == needed[container.name], place)
                #expect(Container.texts(security?["capabilities"]?["drop"]) == ["ALL"], place)
                #expect(security?["privileged"] == nil, place)
                #expect(security?["allowPrivilegeEscalation"]?.bool == false, place)
                #expect(security?["readOnlyRootFilesystem"]?.bool == true, place)
                #expect(security?["seccompProfile"]?["type"]?.string == "RuntimeDefault", place)
                for mount in container.mounts where mount.volume == "configuration" { #expect(mount.isReadOnly, place) }
            }
            #expect(workload.pod?["automountServiceAccountToken"]?.bool == false)
            let withToken = (workload.containers + workload.initContainers).filter { container in
                container.mounts.contains { $0.volume == "token" }
            }
            #expect(withToken.map(\.name) == (workload.kind == "DaemonSet" ? ["redirect"] : []))
        }
    }

    @Test func theTokenMayReadNodesAndNothingElse() throws {
        let roles = try Manifests("k8s/base").objects("ClusterRole")
        #expect(roles.count == 1)
        let rules = roles.flatMap { Array($0["rules"]?.sequence ?? []) }
        #expect(rules.map { Container.texts($0["resources"]) } == [["nodes"]])
        #expect(rules.map { Container.texts($0["verbs"]) } == [["get"]])
    }
}
