// The SDKs for Node against targets that speak one API each: a smaller pass over
// what the matrix of the Go tests measures, by other parsers.
import assert from 'node:assert/strict';
import { before, describe, it } from 'node:test';

import { createAnthropic } from '@ai-sdk/anthropic';
import { createGoogleGenerativeAI } from '@ai-sdk/google';
import { createOpenAI } from '@ai-sdk/openai';
import Anthropic from '@anthropic-ai/sdk';
import { GoogleGenAI } from '@google/genai';
import { generateText, jsonSchema, stepCountIs, streamText, tool } from 'ai';
import OpenAI from 'openai';

import { apiKey, gateway, greenText, suite, weatherArguments, weatherSchema } from './gateway.mjs';

globalThis.AI_SDK_LOG_WARNINGS = false;

const targets = {
  chat: 'chat/mock-small',
  responses: 'responses/mock-small',
  messages: 'messages/claude-sonnet-4-5',
  gemini: 'gemini/gemini-3-flash-preview',
};
// The providers of the matrix pass it on to the mock.
const headers = { 'X-Plexus-Mock': '{}' };
const name = 'get_weather', result = 'It rains in mock.';

describe('matrix', suite, () => {
  const plexus = gateway();
  const conversations = {};
  before(() => {
    const openai = new OpenAI({ baseURL: `${plexus.url}/v1`, apiKey, maxRetries: 0, defaultHeaders: headers });
    const anthropic = new Anthropic({ baseURL: plexus.url, apiKey, maxRetries: 0, defaultHeaders: headers });
    const genai = new GoogleGenAI({ apiKey, httpOptions: { baseUrl: plexus.url, headers } });
    Object.assign(conversations, {
      'openai chat': (model) => chat(openai, model),
      'openai responses': (model) => responses(openai, model),
      anthropic: (model) => messages(anthropic, model),
      genai: (model) => gemini(genai, model),
    });
    const options = { baseURL: `${plexus.url}/v1`, apiKey, headers };
    const sdk = createOpenAI(options);
    Object.assign(conversations, {
      'ai openai chat': (model) => ai(sdk.chat(model)),
      'ai openai responses': (model) => ai(sdk.responses(model)),
      'ai anthropic': (model) => ai(createAnthropic(options)(model)),
      'ai google': (model) => ai(createGoogleGenerativeAI({ ...options, baseURL: `${plexus.url}/v1beta` })(`models/${model}`)),
    });
  });

  for (const sdk of ['openai chat', 'openai responses', 'anthropic', 'genai', 'ai openai chat', 'ai openai responses', 'ai anthropic', 'ai google']) {
    for (const [target, model] of Object.entries(targets)) {
      for (const stream of [false, true]) {
        const how = stream ? ', streamed' : '';
        it(`${sdk} to ${target}: text${how}`, async () => {
          const { text, calls } = await conversations[sdk](model).ask(`${sdk} ${target}`, { stream });
          assert.equal(text, greenText);
          assert.deepEqual(calls, []);
        });
        it(`${sdk} to ${target}: tools${how}`, async () => {
          const prompt = `${sdk} ${target} tools${how}`;
          const { text, calls } = await conversations[sdk](model).ask(prompt, { stream, tools: true });
          assert.deepEqual(calls, [{ name, input: weatherArguments }]);
          assert.equal(text, greenText);
          const { body } = await plexus.received(prompt);
          assert.ok(body.includes(result), body);
        });
      }
    }
  }
});

// Each conversation asks, and if there is a call, asks again with its result. It
// tells the last text and the calls before it.

function chat(client, model) {
  const tools = [{ type: 'function', function: { name, parameters: weatherSchema } }];
  const one = async (params, stream) => {
    if (!stream) return (await client.chat.completions.create(params)).choices[0].message;
    return (await client.chat.completions.stream(params).finalChatCompletion()).choices[0].message;
  };
  return {
    async ask(content, { stream, tools: offered }) {
      const params = { model, messages: [{ role: 'user', content }], ...(offered && { tools }) };
      const first = await one(params, stream), called = first.tool_calls ?? [];
      const calls = called.map((c) => ({ name: c.function.name, input: JSON.parse(c.function.arguments) }));
      if (!called.length) return { text: first.content, calls };
      params.messages.push(first, ...called.map((c) => ({ role: 'tool', tool_call_id: c.id, content: result })));
      return { text: (await one(params, stream)).content, calls };
    },
  };
}

function responses(client, model) {
  const tools = [{ type: 'function', name, parameters: weatherSchema, strict: true }];
  const one = (params, stream) =>
    stream ? client.responses.stream(params).finalResponse() : client.responses.create(params);
  return {
    async ask(content, { stream, tools: offered }) {
      const params = { model, store: false, input: [{ role: 'user', content }], ...(offered && { tools }) };
      const first = await one(params, stream), called = first.output.filter((i) => i.type === 'function_call');
      const calls = called.map((c) => ({ name: c.name, input: JSON.parse(c.arguments) }));
      if (!called.length) return { text: first.output_text, calls };
      // What the stream's helper has parsed is no part of an item.
      params.input.push(...first.output.map(({ parsed_arguments: _, ...item }) => item));
      params.input.push(...called.map((c) => ({ type: 'function_call_output', call_id: c.call_id, output: result })));
      return { text: (await one(params, stream)).output_text, calls };
    },
  };
}

function messages(client, model) {
  const tools = [{ name, input_schema: weatherSchema }];
  const one = (params, stream) =>
    stream ? client.messages.stream(params).finalMessage() : client.messages.create(params);
  const textOf = (m) => m.content.map((b) => b.text ?? '').join('');
  return {
    async ask(content, { stream, tools: offered }) {
      const params = { model, max_tokens: 1000, messages: [{ role: 'user', content }], ...(offered && { tools }) };
      const first = await one(params, stream), called = first.content.filter((b) => b.type === 'tool_use');
      const calls = called.map((c) => ({ name: c.name, input: c.input }));
      if (!called.length) return { text: textOf(first), calls };
      params.messages.push({ role: 'assistant', content: first.content });
      params.messages.push({ role: 'user', content: called.map((c) => ({ type: 'tool_result', tool_use_id: c.id, content: result })) });
      return { text: textOf(await one(params, stream)), calls };
    },
  };
}

function gemini(client, model) {
  const config = { tools: [{ functionDeclarations: [{ name, parametersJsonSchema: weatherSchema }] }] };
  const one = async (params, stream) => {
    if (!stream) return (await client.models.generateContent(params)).candidates[0].content.parts;
    const parts = [];
    for await (const chunk of await client.models.generateContentStream(params)) {
      parts.push(...chunk.candidates[0].content.parts);
    }
    return parts;
  };
  const textOf = (parts) => parts.map((p) => p.text ?? '').join('');
  return {
    async ask(text, { stream, tools }) {
      const params = { model, contents: [{ role: 'user', parts: [{ text }] }], ...(tools && { config }) };
      const first = await one(params, stream), called = first.flatMap((p) => p.functionCall ?? []);
      const calls = called.map((c) => ({ name: c.name, input: c.args }));
      if (!called.length) return { text: textOf(first), calls };
      params.contents.push({ role: 'model', parts: first });
      params.contents.push({
        role: 'user',
        parts: called.map((c) => ({ functionResponse: { id: c.id, name: c.name, response: { output: result } } })),
      });
      return { text: textOf(await one(params, stream)), calls };
    },
  };
}

function ai(model) {
  return {
    async ask(prompt, { stream, tools }) {
      const calls = [];
      const execute = (input) => { calls.push({ name, input }); return result; };
      const params = {
        model, prompt, maxRetries: 0, stopWhen: stepCountIs(2),
        ...(tools && { tools: { [name]: tool({ inputSchema: jsonSchema(weatherSchema), execute }) } }),
      };
      if (!stream) return { text: (await generateText(params)).text, calls };
      let failure;
      const streamed = streamText({ ...params, onError: ({ error }) => { failure = error; } });
      const text = await streamed.text;
      assert.ifError(failure);
      return { text, calls };
    },
  };
}
