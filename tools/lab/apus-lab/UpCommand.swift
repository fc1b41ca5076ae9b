import ArgumentParser
import Lab

struct UpCommand: ParsableCommand {
    static let configuration = CommandConfiguration(commandName: "up", abstract: "Build a lab that stays until 'down'.")

    @OptionGroup var lab: NameOption
    @Option(help: "How pods are attached: routed (a veth each, host routes) or bridge (cni0).")
    var form = Topology.Form.routed
    @Option(help: "How many hosts, 1 to 3.")
    var hosts = 2

    func validate() throws {
        guard (1...3).contains(hosts) else { throw ValidationError("hosts: \(hosts): expected 1 to 3") }
    }

    func run() throws {
        let topology = try Lab.up(name: lab.name, form: form, hostCount: hosts, kept: true).topology
        for host in topology.hosts {
            print("host \(host)   \(host.v4)  \(host.v6)   namespace \(topology.namespace(of: host))")
            for pod in host.pods {
                print("  pod \(pod)  \(pod.v4)   \(pod.v6)   namespace \(topology.namespace(of: pod))")
            }
        }
    }
}
