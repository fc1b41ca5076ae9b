import Foundation
import Loopback
import Testing

/// What is installed outside of clusters: systemd's units; and the image's packages.
@Suite(OwnThreadTrait()) struct HostTests {
    private static let folder = "config/systemd"

    @Test func systemdUnderstandsTheUnits() throws {
        let files = try TemporaryFolder()
        defer { files.remove() }
        let names = try Deployment.files(in: Self.folder)
        #expect(names == ["apus-guard.service", "apus-redirect.service", "apusd@.service"])
        var paths: [String] = []
        for name in names {
            // The programs are not installed here.
            let text = try Deployment.text("\(Self.folder)/\(name)").replacing(
                /\/usr\/local\/bin\/[a-z-]+/, with: "/bin/true")
            paths.append(try files.write(name, text).replacingOccurrences(of: "@.", with: "@a."))
        }
        // It says what it does not know and exits with 0 all the same.
        let output = try Deployment.run(
            Deployment.tool("systemd-analyze"), ["verify", "--man=no"] + paths)
        let complaints = output.errors.split(separator: "\n").filter { $0.contains("apus") }
        #expect(output.status == 0 && complaints.isEmpty, "\(output.errors)")
    }

    @Test func unitsGiveWhatTheFleetsFileRefersTo() throws {
        let used = Set(
            try ["config/apus.yaml", "config/buddy.yaml", "k8s/base/apus.yaml"].flatMap {
                try Deployment.text($0).matches(of: /"\$\{([A-Z0-9_]+)\}"/).map { String($0.output.1) }
            })
        #expect(used == ["NODE_NAME", "APUS_MODE", "POD_CIDR", "POD_CIDR_2"])
        for name in try Deployment.files(in: Self.folder) {
            let unit = try Deployment.text("\(Self.folder)/\(name)")
            #expect(unit.contains("Environment=NODE_NAME=%H APUS_MODE=local\n"), "\(name)")
            #expect(unit.contains("EnvironmentFile=-/etc/apus/environment\n"), "\(name)")
        }
    }

    /// Without rules it has nothing to guard.
    @Test func theGuardStopsBeforeTheRulesGo() throws {
        let unit = try Deployment.text("\(Self.folder)/apus-guard.service")
        #expect(unit.contains("\nBindsTo=apus-redirect.service\n"))
        #expect(unit.contains(/\nAfter=.*apus-redirect\.service/))
    }

    /// No container engine here builds the image: what its build needs is compared with what the build here needs.
    @Test func theImageHasTheLibrariesAndThePrograms() throws {
        let image = try Deployment.text("k8s/image/Dockerfile")
        let stages = Array(image.components(separatedBy: "\nFROM ").dropFirst())
        try #require(stages.count == 2)
        let package = try Deployment.text("Package.swift")
        let libraries = package.matches(of: /\.apt\(\["([a-z0-9-]+)-dev"\]\)/).map { String($0.output.1) }
        #expect(libraries.count == 2)
        let words = stages.map { Set($0.split { $0 == " " || $0 == "\n" }.map(String.init)) }
        for library in libraries {
            #expect(words[0].contains(library + "-dev"), "build: \(library)")
            // libc-ares-dev: libc-ares2; libpcre2-dev: libpcre2-8-0.
            #expect(words[1].contains { $0.hasPrefix(library) && $0.last?.isNumber == true }, "runtime: \(library)")
        }
        for tool in ["nftables", "iptables", "iproute2", "util-linux", "curl", "jq", "ca-certificates"] {
            #expect(words[1].contains(tool), "\(tool)")
        }
        for program in ["apusd", "apusctl", "apus-guard"] {
            #expect(stages[0].contains(program) && stages[1].contains("/apus/.build/release/\(program) "), "\(program)")
        }
        #expect(image.contains("-c release --static-swift-stdlib"))
    }
}
