// Vercel's AI SDK, whose providers read the APIs with parsers of their own.
import assert from 'node:assert/strict';
import { before, describe, it } from 'node:test';

import { createAnthropic } from '@ai-sdk/anthropic';
import { createGoogleGenerativeAI } from '@ai-sdk/google';
import { createOpenAI } from '@ai-sdk/openai';
import { createOpenAICompatible } from '@ai-sdk/openai-compatible';
import {
  APICallError, embedMany, experimental_generateSpeech as generateSpeech, experimental_transcribe as transcribe,
  generateImage, generateText, jsonSchema, stepCountIs, streamText, tool,
} from 'ai';

import {
  apiKey, assertNoTrace, gateway, helloText, rescuedText, suite, weatherArguments, weatherSchema,
} from './gateway.mjs';

// It would warn of each name that is not one of a vendor's models.
globalThis.AI_SDK_LOG_WARNINGS = false;

describe('ai', suite, () => {
  const plexus = gateway();
  let openai, compatible, google;

  // Every way in which the SDK can ask for text: how a model is made from its
  // name, and the options that ask for reasoning.
  const apis = {
    'openai chat': { model: (name) => openai.chat(name) },
    'openai responses': {
      model: (name) => openai.responses(name),
      think: { openai: { reasoningEffort: 'high', reasoningSummary: 'auto', forceReasoning: true } },
    },
    'openai-compatible': { model: (name) => compatible(name), think: { plexus: { reasoningEffort: 'high' } } },
    anthropic: {
      model: (name, key = apiKey) => createAnthropic({ baseURL: `${plexus.url}/v1`, apiKey: key })(name),
      think: { anthropic: { thinking: { type: 'enabled', budgetTokens: 1024 } } },
    },
    google: {
      // It takes a name with a slash for a whole path, unless told so.
      model: (name) => google(name.includes('/') ? `models/${name}` : name),
      think: { google: { thinkingConfig: { includeThoughts: true } } },
    },
  };
  before(() => {
    openai = createOpenAI({ baseURL: `${plexus.url}/v1`, apiKey });
    compatible = createOpenAICompatible({ name: 'plexus', baseURL: `${plexus.url}/v1`, apiKey, includeUsage: true });
    google = createGoogleGenerativeAI({ baseURL: `${plexus.url}/v1beta`, apiKey });
  });

  // read takes a stream to its end; errors are parts of it.
  const read = async (params) => {
    const stream = streamText({ maxRetries: 0, onError() {}, ...params });
    const got = { text: '', reasoning: '', calls: [] };
    for await (const part of stream.fullStream) {
      switch (part.type) {
        case 'text-delta': got.text += part.text; break;
        case 'reasoning-delta': got.reasoning += part.text; break;
        case 'tool-call': got.calls.push(part); break;
        case 'error': got.error = part.error; break;
        case 'finish': got.finish = part; break;
      }
    }
    return got;
  };

  for (const [api, { model, think }] of Object.entries(apis)) {
    describe(api, () => {
      for (const [name, want] of Object.entries({
        hello: helloText,
        hi: helloText,
        'red/mock-small': helloText,
        rescued: rescuedText,
        'rescued-reset': rescuedText,
        'rescued-error': rescuedText,
      })) {
        it(`answers and streams as ${name}`, async () => {
          const prompt = `ai ${api} ${name}`;
          const whole = await generateText({ model: model(name), prompt, maxRetries: 0 });
          assert.equal(whole.text, want);
          assert.equal(whole.finishReason, 'stop');
          assert.ok(whole.usage.outputTokens > 0);
          await assertNoTrace(plexus, prompt);
          const streamed = await read({ model: model(name), prompt });
          assert.ifError(streamed.error);
          assert.equal(streamed.text, want);
          assert.equal(streamed.finish.finishReason, 'stop');
          assert.ok(streamed.finish.totalUsage.outputTokens > 0);
        });
      }

      it('runs tools', async () => {
        const results = [];
        const params = {
          model: model('hello'),
          prompt: 'What is the weather?',
          stopWhen: stepCountIs(2),
          tools: {
            get_weather: tool({
              inputSchema: jsonSchema(weatherSchema),
              execute: (input) => { results.push(input); return 'Sunny.'; },
            }),
          },
        };
        assert.equal((await generateText({ ...params, maxRetries: 0 })).text, helloText);
        const streamed = await read(params);
        assert.ifError(streamed.error);
        assert.deepEqual(streamed.calls.map((c) => c.toolName), ['get_weather']);
        assert.equal(streamed.text, helloText);
        assert.deepEqual(results, [weatherArguments, weatherArguments]);
      });

      if (think) {
        it('reasons', async () => {
          const params = { model: model('hello'), prompt: 'x', providerOptions: think };
          const whole = await generateText({ ...params, maxRetries: 0 });
          assert.ok(whole.reasoningText);
          const streamed = await read(params);
          assert.ifError(streamed.error);
          assert.equal(streamed.reasoning, whole.reasoningText);
          assert.equal(streamed.text, helloText);
        });
      }

      for (const [name, status] of [['nothing', 404], ['refused', 400], ['limited', 429]]) {
        it(`tells why ${name} fails`, async () => {
          const params = { model: model(name), prompt: 'x' };
          const whole = await generateText({ ...params, maxRetries: 0 }).catch((e) => e);
          const { error } = await read(params);
          for (const e of [whole, error]) {
            assert.ok(APICallError.isInstance(e), String(e));
            assert.equal(e.statusCode, status);
            if (name === 'refused') assert.equal(e.message, 'The prompt is odd.');
          }
        });
      }

      for (const name of ['broken', 'cut', 'ended']) {
        it(`tells of the error amid a stream that is ${name}`, async () => {
          const { text, error } = await read({ model: model(name), prompt: 'x' });
          assert.ok(text && !text.endsWith('provider.'), text);
          assert.ok(error, 'the stream seems complete');
        });
      }

      it('lets the client leave', async () => {
        const prompt = `cancel ai ${api}`, abort = new AbortController();
        const { textStream } = streamText({ model: model('endless'), prompt, maxRetries: 0, abortSignal: abort.signal });
        for await (const _ of textStream) {
          abort.abort();
        }
        await plexus.cancellation(prompt);
      });
    });
  }

  it('refuses a wrong key', () =>
    assert.rejects(generateText({ model: apis.anthropic.model('hello', 'wrong'), prompt: 'x', maxRetries: 0 }), { statusCode: 401 }));

  it('embeds', async () => {
    for (const model of [openai.embedding('hello'), compatible.embeddingModel('rescued'), google.embedding('hello')]) {
      const { embeddings } = await embedMany({ model, values: ['one', 'two'], maxRetries: 0 });
      assert.deepEqual(embeddings.map((e) => e.length), [8, 8]);
      assert.notDeepEqual(embeddings[0], embeddings[1]);
    }
  });

  it('transcribes', async () => {
    const audio = Buffer.from('\xff\xfb\x90\x64', 'latin1');
    const { text } = await transcribe({ model: openai.transcription('rescued'), audio, maxRetries: 0 });
    assert.equal(text, rescuedText);
  });

  it('speaks', async () => {
    const { audio } = await generateSpeech({ model: openai.speech('hello'), text: 'x', maxRetries: 0 });
    assert.equal(audio.uint8Array.length, 16 * 417);
  });

  it('draws', async () => {
    const { image } = await generateImage({ model: openai.image('hello'), prompt: 'a dot', maxRetries: 0 });
    assert.equal(Buffer.from(image.uint8Array).subarray(1, 4).toString(), 'PNG');
  });
});
