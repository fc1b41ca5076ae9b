import Model
import Testing

@testable import Interception

/// What another state of failover changes in a plan, and what it leaves alone.
@Suite struct FailoverStateTests {
    func plan(_ state: FailoverState, pods: [[Configuration.Failover.Answer]] = []) throws -> RulePlan {
        try PlanCase(
            name: "state", policy: [.remote, .direct], remotes: ["B", "C"], state: state, podPolicies: pods
        ).plan()
    }

    @Test func theLastRemoteThatGoesLeavesTheNextAnswer() throws {
        #expect(try plan(FailoverState()).answer == .remote)
        #expect(try plan(FailoverState(remotes: ["C"])).answer == .remote)
        #expect(try plan(FailoverState(remotes: [])).answer == .direct)
        #expect(try plan(FailoverState(remotes: ["removed since"])).answer == .direct)
    }

    @Test func anUnhealthyRemoteGoesAlone() throws {
        let all = try plan(FailoverState()).nexthops, one = try plan(FailoverState(remotes: ["C"])).nexthops
        let changed = zip(all, one).filter { $0 != $1 }
        #expect(changed.count == 2 && changed.allSatisfy { $0.0.members.count == 2 && $0.1.members.count == 1 })
        // What was opened through them before may go on: the group is never empty.
        #expect(try plan(FailoverState(remotes: [])).nexthops == all)
    }

    @Test func connectionsStayWithTheirRemoteUnlessItIsGone() throws {
        func bound(_ state: FailoverState) throws -> Int {
            let text = try plan(state).nftText
            let chain = try #require(
                text.components(separatedBy: "chain tunnelled {").last?.components(separatedBy: "}\n    ").first)
            return chain.components(separatedBy: "goto to_remote_").count - 1
        }
        #expect(try bound(FailoverState()) == 2)
        #expect(try bound(FailoverState(remotes: ["C"], kept: ["B"])) == 2)
        #expect(try bound(FailoverState(remotes: ["C"])) == 1)
        #expect(try bound(FailoverState(remotes: [])) == 0)
        let only = PlanCase(name: "one", policy: [.remote, .direct], remotes: ["B"])
        #expect(try !only.plan().nftText.contains("chain bind"))
    }

    @Test func aPodWithNothingButRemoteIsRefusedNotPassed() throws {
        let text = try plan(FailoverState(remotes: []), pods: [[.remote]]).nftText
        #expect(text.contains("ip saddr @drop_pods4 goto refuse"))
        #expect(
            text.contains(
                "set drop_pods4 {\n        type ipv4_addr\n        flags interval\n        elements = { 10.1.0.11 }"))
    }

    /// The rest of the table is not written anew, so it must not depend on the state.
    @Test func theSwitchWritesEverythingThatDiffers() throws {
        let states = [
            FailoverState(), FailoverState(isLocalTaken: true, refusesProtectedHosts: true),
            FailoverState(remotes: []), FailoverState(remotes: ["C"]),
            FailoverState(drilledPods: ["10.1.0.12", "fd01::12"]),
        ]
        let plans = try states.map { try plan($0, pods: [[.drop], [.direct]]) }
        #expect(Set(plans.map(\.fixedText)).count == 1)
        #expect(Set(plans.map(\.nftText)).count == states.count)
    }

    /// With one transaction that deletes it and makes it anew, packets on their way would meet neither.
    @Test func aTableIsReplacedInPlace() throws {
        let one = try PlanCase(name: "one", policy: [.remote, .direct], remotes: ["B"]).plan().nftText
        let several = try plan(FailoverState())
        let text = try #require(several.textInPlace(of: one, installed: (one, one)))
        #expect(text.hasPrefix("flush table inet apus\nflush set inet apus direct_pods4\n"))
        #expect(!text.contains("delete") && text.contains("chain bind {"))
        let back = try PlanCase(name: "none", policy: [.direct]).plan().textInPlace(
            of: several.nftText, installed: (several.nftText, several.nftText))
        let ends = [
            "delete chain inet apus bind\n", "delete set inet apus peers4\n", "delete counter inet apus strangers\n",
        ]
        #expect(ends.allSatisfy { back?.contains($0) == true })
    }

    /// What cannot be changed under the rules that use it, and what somebody else has put in.
    @Test func aTableOfAnotherMakeIsNotReplacedInPlace() throws {
        let plan = try plan(FailoverState()), text = plan.nftText
        let changes = [
            ("hook prerouting priority mangle;", "hook prerouting priority raw;"),
            ("type ipv4_addr", "type ipv6_addr"), ("counter taken {", "map taken {"),
        ]
        for (word, other) in changes {
            let changed = text.replacing(word, with: other)
            #expect(plan.textInPlace(of: changed, installed: (text, text)) == nil, "the kernel's: \(other)")
            #expect(plan.textInPlace(of: text, installed: (changed, text)) == nil, "what was written: \(other)")
        }
    }

    @Test func aRemoteThatIsUninstalledResetsFirst() throws {
        let text = try PlanCase(name: "remote", pods: [], isRemote: true, protects: ["A", "B"]).plan().nftText
        let refusals = Uninstaller.refusals(text)
        #expect(refusals.count == 2)
        #expect(refusals.first == "flush chain inet apus take_1\nadd rule inet apus take_1 goto reset_1\n")
    }

    @Test func aHungProxyIsStillAskedWhetherItIsBack() throws {
        let text = try plan(FailoverState(isLocalTaken: true)).switchText
        let asking = text.split(separator: "\n").filter { $0.contains(" tproxy ip") }
        #expect(asking.count == 2 && asking.allSatisfy { $0.contains("tcp dport 15021") }, "\(asking)")
    }
}
