// The OpenAI SDK under Node, as an application uses it. The parent test gives the client's options and
// the request, and reads one line of JSON: what the application saw.
import OpenAI from "openai";

const { options, request } = JSON.parse(process.argv[2]);
const client = new OpenAI(options);
const { data, response } = await client.chat.completions.create(request).withResponse();

let text = "";
if (request.stream) {
  for await (const chunk of data) text += chunk.choices[0].delta.content ?? "";
} else {
  text = data.choices[0].message.content;
}
console.log(JSON.stringify({ text, requestId: response.headers.get("x-tallystick-request-id") }));
