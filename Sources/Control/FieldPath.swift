/// The way from the root to a field, such as `pods[0].outbound[1].cluster`. Linked from the leaf upwards, so that
/// walking a large document builds no texts: only a problem asks for one.
indirect enum FieldPath: Sendable {
    case root
    case key(FieldPath, String)
    case index(FieldPath, Int)

    var text: String {
        switch self {
        case .root: ""
        case .key(.root, let name): name.excerpt
        case .key(let parent, let name): parent.text + "." + name.excerpt
        case .index(let parent, let number): parent.text + "[\(number)]"
        }
    }
}
