/// The form of a part of the schema that this build knows and does not read: keys are checked, so that a misspelt one
/// is found before the build that reads it arrives; values only as far as they are mappings, lists or scalars.
indirect enum Shape: Sendable {
    case scalar
    case list(Shape)
    /// Exactly these keys may occur.
    case mapping([String: Shape])
    /// Keys of the operator's own, such as header names.
    case names(Shape)
    case anything

    /// Reports what does not have this form.
    func check(_ value: Value) {
        switch self {
        case .scalar: _ = value.scalar("a value")
        case .list(let item): value.list("values")?.forEach(item.check)
        case .mapping(let shapes):
            for field in value.fields(shapes.keys.sorted())?.all ?? [] { shapes[field.name]?.check(field.value) }
        case .names(let item):
            for field in value.anyFields(expected: "a mapping")?.all ?? [] { item.check(field.value) }
        case .anything: break
        }
    }

    /// A mapping whose values are all scalars.
    static func scalars(_ keys: String...) -> Shape {
        .mapping(Dictionary(uniqueKeysWithValues: keys.map { ($0, .scalar) }))
    }
}

// MARK: the schema of what later builds read

extension Shape {
    /// `filters` of other hosts' pods: named by their one key; what is behind it is theirs.
    static let filters = Shape.list(.names(.anything))
}
