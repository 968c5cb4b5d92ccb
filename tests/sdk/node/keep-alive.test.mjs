// Keep-alives are written so that every SDK skips them: before the first content,
// between two contents, and before an error that can no longer be a status.
import assert from 'node:assert/strict';
import { before, describe, it } from 'node:test';

import { createAnthropic } from '@ai-sdk/anthropic';
import { createGoogleGenerativeAI } from '@ai-sdk/google';
import { createOpenAI } from '@ai-sdk/openai';
import Anthropic from '@anthropic-ai/sdk';
import { GoogleGenAI } from '@google/genai';
import { streamText } from 'ai';
import OpenAI from 'openai';

import { apiKey, collect, gateway, suite } from './gateway.mjs';

globalThis.AI_SDK_LOG_WARNINGS = false;

describe('keep-alives', suite, () => {
  const plexus = gateway();
  const prompt = 'Wait.';
  const messages = [{ role: 'user', content: prompt }];
  const max_tokens = 100;
  let openai, anthropic, google;
  before(() => {
    openai = new OpenAI({ baseURL: `${plexus.url}/v1`, apiKey, maxRetries: 0 });
    anthropic = new Anthropic({ baseURL: plexus.url, apiKey, maxRetries: 0 });
    google = new GoogleGenAI({ apiKey, httpOptions: { baseUrl: plexus.url } });
  });

  // What the wire holds: the tests below would prove nothing without keep-alives.
  const wires = {
    chat: ['/v1/chat/completions', { stream: true, messages }, ': keep-alive\n\n'],
    responses: ['/v1/responses', { stream: true, input: prompt }, ': keep-alive\n\n'],
    messages: ['/v1/messages', { stream: true, max_tokens, messages }, 'event: ping\ndata: {"type":"ping"}\n\n'],
    gemini: ['/v1beta/models/patient:streamGenerateContent?alt=sse', { contents: [{ parts: [{ text: prompt }] }] }, '\n\n'],
    'gemini array': ['/v1beta/models/patient:streamGenerateContent', { contents: [{ parts: [{ text: prompt }] }] }, '\n'],
  };
  for (const [name, [path, body, sign]] of Object.entries(wires)) {
    it(`are on the wire of ${name}`, async () => {
      const res = await fetch(plexus.url + path, {
        method: 'POST',
        headers: { Authorization: `Bearer ${apiKey}`, 'Content-Type': 'application/json' },
        body: JSON.stringify({ model: 'patient', ...body }),
      });
      const text = await res.text();
      assert.equal(res.headers.get('x-plexus-provider'), null);
      assert.ok(text.startsWith(sign), text.slice(0, 200));
      const rest = text.slice(text.search(/data: \{"(id|cand)|event: (message_start|response)|\[/));
      assert.ok(name.startsWith('gemini') ? /\}\s*\n\n\n|\n\n,/.test(rest) : rest.includes(sign), rest);
      if (name === 'gemini array') JSON.parse(text);
    });
  }

  // read gives the text of a stream, and the error that ended it.
  const read = async (stream, textOf) => {
    const got = { text: '' };
    got.error = await collect(stream, (item) => {
      got.text += textOf(item) ?? '';
    });
    return got;
  };
  const readAI = async (model) => {
    const got = { text: '' };
    for await (const part of streamText({ model, prompt, maxRetries: 0, onError() {} }).fullStream) {
      if (part.type === 'text-delta') got.text += part.text;
      if (part.type === 'error') got.error = part.error;
    }
    return got;
  };
  const sdks = {
    'openai chat': (model) =>
      read(openai.chat.completions.create({ model, stream: true, messages }), (c) => c.choices[0]?.delta.content),
    'openai completions': (model) =>
      read(openai.completions.create({ model, stream: true, prompt }), (c) => c.choices[0]?.text),
    'openai responses': (model) =>
      read(openai.responses.create({ model, stream: true, input: prompt }), (e) =>
        e.type === 'response.output_text.delta' ? e.delta : ''),
    anthropic: (model) =>
      read(anthropic.messages.create({ model, stream: true, max_tokens, messages }), (e) =>
        e.type === 'content_block_delta' ? e.delta.text : ''),
    'anthropic helper': async (model) => {
      try {
        return { text: await anthropic.messages.stream({ model, max_tokens, messages }).finalText() };
      } catch (error) {
        return { text: '', error };
      }
    },
    google: (model) => read(google.models.generateContentStream({ model, contents: prompt }), (c) => c.text),
    'ai openai chat': (model) => readAI(createOpenAI({ baseURL: `${plexus.url}/v1`, apiKey }).chat(model)),
    'ai openai responses': (model) => readAI(createOpenAI({ baseURL: `${plexus.url}/v1`, apiKey }).responses(model)),
    'ai anthropic': (model) => readAI(createAnthropic({ baseURL: `${plexus.url}/v1`, apiKey })(model)),
    'ai google': (model) => readAI(createGoogleGenerativeAI({ baseURL: `${plexus.url}/v1beta`, apiKey })(model)),
  };
  for (const [name, ask] of Object.entries(sdks)) {
    it(`are skipped by ${name}`, async () => {
      const got = await ask('patient');
      assert.ifError(got.error);
      assert.equal(got.text, 'Good things take time.');
    });
    it(`leave an error to ${name}`, async () => {
      const got = await ask('patient-refused');
      assert.ok(got.error, 'the error is lost');
      assert.match(JSON.stringify(got.error.message ?? got.error) + JSON.stringify(got.error.error ?? ''), /The prompt is odd/);
    });
  }
});
