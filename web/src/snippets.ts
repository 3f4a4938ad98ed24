// The lines that make a first call with a key. They use the gateway's sandbox, so that they run without any provider's
// account; a real call leaves that header out.

export function snippets(gateway: string, key: string): { name: string; text: string }[] {
  return [
    {
      name: 'curl',
      text: `curl ${gateway}/v1/chat/completions \\
  -H 'Authorization: Bearer ${key}' \\
  -H 'X-Tallystick-Sandbox: true' \\
  -H 'Content-Type: application/json' \\
  -d '{"model": "gpt-4o-mini", "messages": [{"role": "user", "content": "Hello"}]}'`,
    },
    {
      name: 'Python',
      text: `from openai import OpenAI

client = OpenAI(
    base_url="${gateway}/v1",
    api_key="${key}",
    default_headers={"X-Tallystick-Sandbox": "true"},
)
answer = client.chat.completions.create(
    model="gpt-4o-mini",
    messages=[{"role": "user", "content": "Hello"}],
)
print(answer.choices[0].message.content)`,
    },
    {
      name: 'JavaScript',
      text: `import OpenAI from "openai"

const client = new OpenAI({
  baseURL: "${gateway}/v1",
  apiKey: "${key}",
  defaultHeaders: { "X-Tallystick-Sandbox": "true" },
})
const answer = await client.chat.completions.create({
  model: "gpt-4o-mini",
  messages: [{ role: "user", content: "Hello" }],
})
console.log(answer.choices[0].message.content)`,
    },
    {
      name: 'Anthropic',
      text: `from anthropic import Anthropic

client = Anthropic(
    base_url="${gateway}",
    api_key="${key}",
    default_headers={"X-Tallystick-Sandbox": "true"},
)
answer = client.messages.create(
    model="claude-sonnet-4-5",
    max_tokens=200,
    messages=[{"role": "user", "content": "Hello"}],
)
print(answer.content[0].text)`,
    },
  ]
}
