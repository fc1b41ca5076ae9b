import Model

/// The part of the nft table that depends on the state of failover and on the pods' own policies: sets and chains that are
/// written anew, in one transaction, when these change. Nothing else of the table does.
extension RulePlan {
    /// Sets of pods by answer, and of those that are drilled. They are always there, so that one text can fill them.
    private var switchSets: [(name: String, type: String, elements: [IPAddress])] {
        families.flatMap { family in
            let pods = podAnswers(family)
            let answers = Configuration.Failover.Answer.allCases.map { answer in
                (setName(answer, family), family.nftType, pods[answer] ?? [])
            }
            return answers + [("drilled\(family.digit)", family.nftType, drilledPods(family))]
        }
    }

    private func setName(_ answer: Configuration.Failover.Answer, _ family: IPAddress.Family) -> String {
        "\(answer.rawValue)_pods\(family.digit)"
    }

    private var switchChains: [String] {
        ["fallback", "nobody", "outbound", "inbound", "decide_translated"]
            + (ownTunnel == nil ? [] : ["tunnelled"]) + hostTunnels.map(takeChain)
    }

    /// For `nft -f`, on top of the table of the same plan in another state.
    var switchText: String {
        var text = TextBlock()
        let table = "inet \(Self.tableName)"
        for set in switchSets { text.line("flush set \(table) \(set.name)") }
        for chain in switchChains { text.line("flush chain \(table) \(chain)") }
        text.block("table \(table)") { writeSwitch(&$0) }
        return text.text
    }

    func writeSwitch(_ table: inout TextBlock) {
        for set in switchSets { table.set(set.name, type: set.type, set.elements) }
        table.chain("fallback", "no local proxy takes it: failover.policy") { writeFallback(&$0) }
        table.chain("nobody", "no local proxy listens, or none that may be asked") {
            // A test of the local proxy is answered by nobody else.
            for family in families {
                let probe = RuleProbe.destination(family)
                $0.line("\(family.nftAddress) daddr \(probe.address) tcp dport \(probe.port) goto gone")
            }
            // A client that uses a port again meets what the proxy's side of its last connection left (TIME_WAIT). Early
            // demux binds the packet to that socket, and a bound packet is not forwarded but dropped. Delivered to it, it is
            // answered; the client resets what is left, and its next SYN, at once, goes on.
            $0.line(
                "tcp flags & (fin | syn | rst | ack) == syn socket transparent 1 \(set("ct", .toProxy)) goto to_proxy")
            $0.line("goto fallback")
        }
        let legs = [("outbound", interception.outboundPort), ("inbound", interception.inboundPort)]
        for (leg, port) in legs {
            table.chain(leg, "without a listener tproxy does not match: no side effect may stand before it") {
                writeDecision(&$0, port, .toProxy, isOutbound: leg == "outbound")
            }
        }
        table.chain("decide_translated") {
            writeDecision(&$0, interception.inboundPort, .loop, isOutbound: false)
        }
        writeTunnelled(&table)
        for tunnel in hostTunnels { writeTake(tunnel, &table) }
    }

    /// - Parameter number: what the connection's mark becomes.
    private func writeDecision(_ chain: inout TextBlock, _ port: UInt16, _ number: MarkNumber, isOutbound: Bool) {
        let taking = "\(set("ct", number)) counter name taken goto to_proxy"
        for family in families where !drilledPods(family).isEmpty {
            let side = isOutbound ? "saddr" : "daddr"
            chain.line("\(family.nftAddress) \(side) @drilled\(family.digit) goto fallback")
        }
        for family in families {
            if !state.isLocalTaken {
                chain.line("\(tproxy(family, port)) \(taking)")
            } else if isOutbound {
                // Whether the proxy is back is asked through the rules.
                let probe = RuleProbe.destination(family)
                chain.line(
                    "\(family.nftAddress) daddr \(probe.address) tcp dport \(probe.port) \(tproxy(family, port)) \(taking)"
                )
            }
        }
        chain.line("goto nobody")
    }

    // MARK: answers

    private static let strictness: [Configuration.Failover.Answer] = [.drop, .remote, .direct]

    /// The stricter answer of the two pods, when both are of this host: who says `drop` is not gone around because the
    /// other says `direct`.
    private func writeFallback(_ chain: inout TextBlock) {
        chain.line("tcp flags & (fin | syn | rst | ack) != syn goto gone")
        let own = answer
        let rank = Self.strictness.firstIndex(of: own) ?? 0
        for answer in Self.strictness[..<rank] { writePods(of: answer, &chain) }
        let weaker = Self.strictness[(rank + 1)...]
        for family in families where weaker.contains(where: { podAnswers(family)[$0] != nil }) {
            let address = family.nftAddress
            for side in ["saddr", "daddr"] {
                let others = weaker.filter { podAnswers(family)[$0] != nil }.map {
                    " \(address) \(side) != @\(setName($0, family))"
                }
                chain.line("\(address) \(side) @pods\(family.digit)\(others.joined()) \(verdict(own))")
            }
        }
        for answer in weaker { writePods(of: answer, &chain) }
        chain.line(verdict(own))
    }

    private func writePods(of answer: Configuration.Failover.Answer, _ chain: inout TextBlock) {
        for family in families where podAnswers(family)[answer] != nil {
            for side in ["saddr", "daddr"] {
                chain.line("\(family.nftAddress) \(side) @\(setName(answer, family)) \(verdict(answer))")
            }
        }
    }

    private func verdict(_ answer: Configuration.Failover.Answer) -> String {
        switch answer {
        case .remote: "goto new_in_tunnel"
        case .direct: "goto pass"
        case .drop: "goto refuse"
        }
    }
}
