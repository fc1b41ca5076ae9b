import Foundation
import Lab
import Loopback
import Testing

/// Two pods of the DaemonSet beside each other, as a rolling update has them: the real scripts and programs, with the
/// capabilities of the manifest and no more. Needs root.
@Suite(.serialized, AloneTrait(), OwnThreadTrait()) struct PodTests {
    @Test func aPodIsReplacedByTheOneBesideIt() throws {
        let programs = URL(filePath: try Programs.path("apus-guard")).deletingLastPathComponent().path
        let output = try Deployment.run(
            Deployment.path("Tests/DeployTests/two-pods"), [programs, Deployment.root.path])
        let lines = output.text.split(separator: "\n").map(String.init)
        #expect(output.status == 0, "\(output.errors)")
        #expect(lines.count == 23, "\(output.text)\(output.errors)")
        #expect(lines.filter { !$0.hasSuffix(": yes") } == [])
    }

    /// The script has them in its own words.
    @Test func thePodsHaveTheManifestsCapabilities() throws {
        let script = try Deployment.text("Tests/DeployTests/two-pods")
        let workload = try #require(try Manifests("k8s/base").workloads.first)
        for (name, container) in [("rules", "redirect"), ("proxy", "apusd"), ("guard", "guard")] {
            let match = try #require(script.firstMatch(of: try Regex("(?m)^\(name)=-all((?:,\\+[a-z_]+)+)$")))
            let added = try #require(match.output[1].substring).split(separator: ",").map {
                $0.dropFirst().uppercased()
            }
            #expect(Set(added) == (try workload.container(container).capabilities), "\(name)")
        }
    }
}
