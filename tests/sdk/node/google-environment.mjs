import { GoogleGenAI } from "@google/genai";

const reply = await new GoogleGenAI({}).models.generateContent({ model: "gemini-2.5-flash", contents: "Say hello" });
console.log(reply.text);
