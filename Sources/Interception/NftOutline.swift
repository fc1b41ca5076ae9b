/// What a table has, without its rules and elements: whether one can become another in place.
struct NftOutline: Equatable {
    /// Base chains: name, and the line that hooks them up.
    var bases: [String: String] = [:]
    var chains: Set<String> = []
    /// Sets: name, and the lines that say of what.
    var sets: [String: [String]] = [:]
    var counters: Set<String> = []

    /// Of the table's own text, or of the kernel's; nil: there is something in it that is none of ours.
    init?(_ text: String) {
        var block: (kind: String, name: String)?
        for line in text.split(separator: "\n").map({ $0.split(whereSeparator: \.isWhitespace) }) {
            if line.last == "{" {
                if line.first == "table" { continue }
                guard line.count == 3, block == nil else { return nil }
                let (kind, name) = (String(line[0]), String(line[1]))
                switch kind {
                case "chain": chains.insert(name)
                case "set": sets[name] = []
                case "counter": counters.insert(name)
                default: return nil
                }
                block = (kind, name)
            } else if line == ["}"] {
                block = nil
            } else if let block, let first = line.first {
                let words = line.joined(separator: " ")
                if block.kind == "chain", first == "type" { bases[block.name] = words }
                if block.kind == "set", first == "type" || first == "flags" { sets[block.name]?.append(words) }
            }
        }
    }

    /// Whether chains and sets of the same name are of the same kind.
    func isCompatible(with other: NftOutline) -> Bool {
        let common = chains.intersection(other.chains)
        return common.allSatisfy { bases[$0] == other.bases[$0] }
            && sets.allSatisfy { other.sets[$0.key] == nil || other.sets[$0.key] == $0.value }
    }
}

extension RulePlan {
    /// For `nft -f`: the whole table where one is in force, in place; nil: it has to be deleted and made anew.
    ///
    /// A table that is deleted and defined in one transaction has a gap. The new chains are hooked up while they are still
    /// empty, and a packet that is on its way through the old ones when the kernel goes over to the new ones meets old sets
    /// without elements: of 320,000 packets during 200 such transactions 53 passed unmarked, each of which is a SYN past all
    /// tables. With the same rules written into the chains that are there, none of 311,000.
    /// - Parameters:
    ///   - listing: the table as the kernel has it.
    ///   - installed: the text that was written, and how the kernel had it then.
    func textInPlace(of listing: String, installed: (text: String, listing: String)) -> String? {
        guard let present = NftOutline(listing), let noted = NftOutline(installed.listing),
            let former = NftOutline(installed.text), let wanted = NftOutline(nftText),
            // The kernel has its own spelling: each is compared with its like.
            present.bases == noted.bases, present.sets == noted.sets, former.isCompatible(with: wanted)
        else { return nil }
        let table = "inet \(Self.tableName)"
        var text = TextBlock()
        text.line("flush table \(table)")
        for name in present.sets.keys.sorted() where wanted.sets[name] != nil {
            text.line("flush set \(table) \(name)")
        }
        text.append(definition)
        for name in present.chains.subtracting(wanted.chains).sorted() { text.line("delete chain \(table) \(name)") }
        for name in present.sets.keys.sorted() where wanted.sets[name] == nil {
            text.line("delete set \(table) \(name)")
        }
        for name in present.counters.subtracting(wanted.counters).sorted() {
            text.line("delete counter \(table) \(name)")
        }
        return text.text
    }

    /// The table without what makes room for it.
    private var definition: String {
        nftText.split(separator: "\n", omittingEmptySubsequences: false).dropFirst(2).joined(separator: "\n")
    }
}
