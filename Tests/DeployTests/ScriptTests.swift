import Foundation
import Loopback
import Testing

/// The image's scripts, with stand-ins for the programs they start.
@Suite(OwnThreadTrait()) struct ScriptTests {
    static let names = (try? Deployment.files(in: "k8s/image"))?.filter { !$0.hasPrefix("Dockerfile") } ?? []

    /// A folder in front of PATH with programs of the test's own.
    private struct Stage {
        let folder: TemporaryFolder

        init(_ programs: [String: String]) throws {
            folder = try TemporaryFolder()
            try folder.write("environment", "export POD_CIDR='10.1.0.0/24'\nexport POD_CIDR_2=''\n")
            for (name, body) in programs { try folder.write(name, "#!/bin/sh\n\(body)\n", executable: true) }
        }

        var variables: [String: String] {
            let path = ProcessInfo.processInfo.environment["PATH"] ?? ""
            return [
                "PATH": "\(folder.path):\(Deployment.path("k8s/image")):\(path)", "APUS_ENVIRONMENT": folder.path,
                "APUS_PATIENCE": "0.05", "STAGE": folder.path,
            ]
        }

        func run(_ script: String, _ more: [String: String] = [:]) throws -> Deployment.Output {
            try Deployment.run(
                "/usr/bin/timeout", ["--kill-after", "5", "30", Deployment.path("k8s/image/\(script)")],
                environment: variables.merging(more) { $1 })
        }

        /// What stand-ins have noted.
        func notes() -> [String] {
            let text = (try? String(contentsOfFile: folder.path + "/notes", encoding: .utf8)) ?? ""
            return text.split(separator: "\n").map(String.init)
        }
    }

    @Test func theImageHasThemAll() throws {
        #expect(Self.names.count >= 6)
        let image = try Deployment.text("k8s/image/Dockerfile")
        for name in Self.names {
            #expect(image.contains("k8s/image/\(name) ") || image.contains("k8s/image/\(name)\n"), "\(name)")
            #expect(FileManager.default.isExecutableFile(atPath: Deployment.path("k8s/image/\(name)")), "\(name)")
            #expect(try Deployment.run("/bin/sh", ["-n", Deployment.path("k8s/image/\(name)")]).status == 0, "\(name)")
        }
    }

    @Test func everyCommandOfAPodIsInTheImage() throws {
        for folder in Manifests.kustomizations {
            for workload in try Manifests(folder).workloads {
                let hooks = workload.containers.flatMap { container in
                    [container.node["readinessProbe"], container.node["lifecycle"]?["preStop"]]
                        .compactMap { Container.texts($0?["exec"]?["command"]).first }
                }
                let commands = (workload.containers + workload.initContainers).compactMap(\.command.first)
                for command in commands + hooks { #expect(Self.names.contains(command), "\(workload): \(command)") }
            }
        }
    }

    @Test func aHostWritesItsPrefixesAndInstallsTheRules() throws {
        let stage = try Stage([
            "curl": #"echo '{"spec": {"podCIDRs": ["10.7.0.0/24", "fd07::/64"]}}'"#, "cat": "echo token",
            "apusctl": #"echo "$@ $POD_CIDR $POD_CIDR_2" >> "$STAGE/notes""#,
        ])
        defer { stage.folder.remove() }
        let variables = ["NODE_NAME": "n", "KUBERNETES_SERVICE_HOST": "h", "KUBERNETES_SERVICE_PORT": "1"]
        let install = "redirect install --config /etc/apus/apus.yaml"
        var output = try stage.run("apus-host", variables.merging(["APUS_MODE": "local"]) { $1 })
        #expect(output.status == 0, "\(output.errors)")
        output = try stage.run(
            "apus-host", variables.merging(["APUS_MODE": "local", "POD_CIDR": "10.8.0.0/24"]) { $1 })
        #expect(output.status == 0, "\(output.errors)")
        output = try stage.run("apus-host", variables.merging(["APUS_MODE": "remote"]) { $1 })
        #expect(output.status == 0, "\(output.errors)")
        #expect(stage.notes() == ["\(install) 10.7.0.0/24 fd07::/64", "\(install) 10.8.0.0/24 ", "\(install)  "])
    }

    @Test func aHostWithoutPrefixesInstallsNothing() throws {
        let stage = try Stage([
            "curl": #"echo '{"spec": {}}'"#, "cat": "echo token", "apusctl": #"echo installed >> "$STAGE/notes""#,
        ])
        defer { stage.folder.remove() }
        let output = try stage.run(
            "apus-host",
            ["NODE_NAME": "n", "APUS_MODE": "local", "KUBERNETES_SERVICE_HOST": "h", "KUBERNETES_SERVICE_PORT": "1"])
        #expect(output.status != 0 && output.errors.contains("set POD_CIDR"), "\(output)")
        #expect(stage.notes().isEmpty)
    }

    /// A crash is the kubelet's to repair; it must see it.
    @Test func aCrashOfTheProxyEndsTheContainer() throws {
        let stage = try Stage(["apusd": "exit 3"])
        defer { stage.folder.remove() }
        #expect(try stage.run("apusd-generation").status == 3)
    }

    @Test func theProxyIsToldToDrainAndMayTakeItsTime() throws {
        // The stand-in needs a moment to end, as a drain does; `timeout` sends the script a SIGTERM first.
        let stage = try Stage([
            "apusd": #"""
            trap 'echo told >> "$STAGE/notes"; sleep 0.3; echo drained >> "$STAGE/notes"; exit 0' TERM
            echo "$@" >> "$STAGE/notes"
            kill -TERM "$PPID"
            while :; do sleep 0.05; done
            """#
        ])
        defer { stage.folder.remove() }
        let output = try stage.run("apusd-generation")
        #expect(output.status == 0, "\(output.errors)")
        #expect(stage.notes() == ["--config /etc/apus/apus.yaml --log-format json --take-over", "told", "drained"])
    }

    /// After a hand-over it stays while somebody serves, and comes back when nobody does.
    @Test func afterAHandOverItWaitsUntilNobodyServes() throws {
        let stage = try Stage([
            "apusd": #"echo started >> "$STAGE/notes"; exit 0"#,
            "curl": #"echo asked >> "$STAGE/notes"; [ "$(grep -c asked "$STAGE/notes")" -le 5 ]"#,
        ])
        defer { stage.folder.remove() }
        let output = try stage.run("apusd-generation")
        #expect(output.status == 1)
        #expect(output.errors.contains("handed over") && output.errors.contains("nobody serves"))
        #expect(stage.notes() == ["started"] + Array(repeating: "asked", count: 8))
    }

    @Test func anotherPodsProxyIsNotDrained() throws {
        let other = #"LISTEN 0 128 127.0.0.1:15000 0.0.0.0:*"#
        for (users, asked) in [("", []), (#" users:(("apusd",pid=7,fd=9))"#, ["drain"])] as [(String, [String])] {
            let stage = try Stage([
                "ss": "echo '\(other)\(users)'", "sleep": "exit 0",
                "curl": #"for last; do :; done; echo "${last##*/}" >> "$STAGE/notes""#,
            ])
            defer { stage.folder.remove() }
            #expect(try stage.run("apusd-drain").status == 0)
            #expect(stage.notes() == asked)
        }
    }

    @Test func aGuardThatEndsIsStartedAgain() throws {
        let stage = try Stage([
            "apus-guard": #"""
            echo started >> "$STAGE/notes"
            [ "$(grep -c started "$STAGE/notes")" -lt 3 ] && exit 1
            trap 'echo told >> "$STAGE/notes"; exit 0' TERM
            kill -TERM "$PPID"
            while :; do sleep 0.05; done
            """#, "sleep": "exec /bin/sleep 0.05",
        ])
        defer { stage.folder.remove() }
        #expect(try stage.run("apus-guard-generation").status == 0)
        #expect(stage.notes() == ["started", "started", "started", "told"])
    }
}
