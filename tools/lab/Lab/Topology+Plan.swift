/// What is run to build the lab: `ip -batch` text per namespace, and sysctls before and after it.
extension Topology {
    /// One namespace's part.
    struct Step: Equatable {
        var namespace: String
        /// Lines for `ip -batch`, run inside the namespace.
        var lines: [String]
        /// Sysctls that exist only once the links do.
        var sysctls: [String: String] = [:]
    }

    /// In order: the switch makes the hosts' links, hosts make their pods' links, pods configure theirs.
    var steps: [Step] { [switchStep] + hosts.map(hostStep) + pods.map(podStep) }

    /// Set in every namespace before its links exist, because links take `default` when they are made. Everything is
    /// explicit: a new namespace may inherit the machine's own settings.
    static let baseSysctls: [(String, String)] = [
        ("net/ipv4/conf/all/rp_filter", "0"), ("net/ipv4/conf/default/rp_filter", "0"),
        ("net/ipv6/conf/all/disable_ipv6", "0"), ("net/ipv6/conf/default/disable_ipv6", "0"),
        ("net/ipv6/conf/all/accept_dad", "0"), ("net/ipv6/conf/default/accept_dad", "0"),
        ("net/ipv6/conf/default/accept_ra", "0"), ("net/ipv4/ip_local_port_range", "32768 60999"),
    ]

    /// Set in hosts: they route for their pods.
    static let hostSysctls: [(String, String)] = [
        ("net/ipv4/ip_forward", "1"), ("net/ipv6/conf/all/forwarding", "1"),
    ]

    /// Set in hosts where the bridge module is loaded: it shows bridged frames to the IP hooks by default.
    static let bridgeSysctls: [(String, String)] = [
        ("net/bridge/bridge-nf-call-iptables", "0"), ("net/bridge/bridge-nf-call-ip6tables", "0"),
    ]

    private var switchStep: Step {
        let links = hosts.flatMap { host in
            [
                "link add u\(host) type veth peer name eth0 netns \(namespace(of: host))",
                "link set u\(host) master br0 up",
            ]
        }
        return Step(
            namespace: switchNamespace,
            lines: ["link set lo up", "link add br0 type bridge", "link set br0 up"] + links)
    }

    private func hostStep(_ host: HostName) -> Step {
        var step = Step(namespace: namespace(of: host), lines: ["link set lo up", "link set eth0 up"])
        step.lines += ["addr add \(host.v4)/24 dev eth0", "addr add \(host.v6)/64 dev eth0 nodad"]
        if form == .bridge {
            step.lines += ["link add cni0 type bridge", "link set cni0 up"]
            step.lines += [
                "addr add \(host.gateways[0])/24 dev cni0", "addr add \(host.gateways[1])/64 dev cni0 nodad",
            ]
        }
        for pod in host.pods { attach(pod, to: &step) }
        // Nothing answers there: proxy ARP for a pod's gateway 169.254.1.1 needs a route that covers it.
        step.lines += ["route add default via 10.99.0.1", "route add ::/0 via fd99::1"]
        for other in hosts where other != host {
            step.lines.append("route add \(other.podCIDRs[0]) via \(other.v4)")
            step.lines.append("route add \(other.podCIDRs[1]) via \(other.v6)")
        }
        return step
    }

    private func attach(_ pod: PodName, to step: inout Step) {
        let device = pod.device
        step.lines.append("link add \(device) type veth peer name eth0 netns \(namespace(of: pod))")
        step.lines.append("link set \(device) up")
        guard form == .routed else { return step.lines.append("link set \(device) master cni0") }
        step.lines += [
            "route add \(pod.v4)/32 dev \(device) scope link",
            "addr add fe80::1/64 dev \(device) nodad", "route add \(pod.v6)/128 dev \(device)",
        ]
        step.sysctls["net/ipv4/conf/\(device)/proxy_arp"] = "1"
        step.sysctls["net/ipv6/conf/\(device)/proxy_ndp"] = "1"
        // The default answers after up to 0.8 s.
        step.sysctls["net/ipv4/neigh/\(device)/proxy_delay"] = "0"
    }

    private func podStep(_ pod: PodName) -> Step {
        let lines =
            switch form {
            case .routed:
                [
                    "addr add \(pod.v4)/32 dev eth0", "route add 169.254.1.1 dev eth0 scope link",
                    "route add default via 169.254.1.1 dev eth0",
                    "addr add \(pod.v6)/128 dev eth0 nodad", "route add ::/0 via fe80::1 dev eth0",
                ]
            case .bridge:
                [
                    "addr add \(pod.v4)/24 dev eth0", "route add default via \(pod.host.gateways[0])",
                    "addr add \(pod.v6)/64 dev eth0 nodad", "route add ::/0 via \(pod.host.gateways[1])",
                ]
            }
        return Step(namespace: namespace(of: pod), lines: ["link set lo up", "link set eth0 up"] + lines)
    }
}
