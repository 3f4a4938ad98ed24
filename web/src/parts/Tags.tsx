// Words that something is found by.

export function Tags({ tags }: { tags: readonly string[] }) {
  if (!tags.length) return <span className="quiet">–</span>
  return (
    <span className="tags">
      {tags.map((tag) => (
        <span key={tag} className="tag">
          {tag}
        </span>
      ))}
    </span>
  )
}
