import assert from 'node:assert/strict';
import { before, describe, it } from 'node:test';

import { ApiError, GoogleGenAI } from '@google/genai';

import {
  apiKey, assertNoTrace, collect, gateway, helloText, rescuedText, suite, weatherArguments, weatherSchema,
} from './gateway.mjs';

describe('gemini', suite, () => {
  const plexus = gateway();
  let client, stranger;
  before(() => {
    const httpOptions = { baseUrl: plexus.url };
    client = new GoogleGenAI({ apiKey, httpOptions });
    stranger = new GoogleGenAI({ apiKey: 'wrong', httpOptions });
  });

  // read takes a stream to its end or its error.
  const read = async (params, on = client) => {
    const got = { text: '', thoughts: '', calls: [] };
    got.error = await collect(on.models.generateContentStream(params), (chunk) => {
      got.last = chunk;
      got.calls.push(...(chunk.functionCalls ?? []));
      for (const part of chunk.candidates[0].content.parts) {
        got[part.thought ? 'thoughts' : 'text'] += part.text ?? '';
      }
    });
    return got;
  };

  it('lists models', async () => {
    const names = [];
    for await (const m of await client.models.list()) names.push(m.name);
    for (const name of ['hello', 'hi', 'rescued']) assert.ok(names.includes(`models/${name}`), name);
    const m = await client.models.get({ model: 'hello' });
    assert.equal(m.name, 'models/hello');
    assert.equal(m.description, 'Says hello');
    assert.equal((await client.models.get({ model: 'red/mock-small' })).name, 'models/red/mock-small');
    await assert.rejects(client.models.get({ model: 'nothing' }), { name: 'ApiError', status: 404 });
  });

  for (const [model, want] of Object.entries({
    hello: helloText,
    'models/hello': helloText,
    hi: helloText,
    'red/mock-small': helloText,
    'models/blue/mock-small': rescuedText,
    rescued: rescuedText,
    'rescued-reset': rescuedText,
    'rescued-error': rescuedText,
  })) {
    it(`answers and streams as ${model}`, async () => {
      const contents = `gemini ${model}`;
      const whole = await client.models.generateContent({ model, contents });
      assert.equal(whole.text, want);
      await assertNoTrace(plexus, contents);
      const streamed = await read({ model, contents: 'x' });
      assert.ifError(streamed.error);
      assert.equal(streamed.text, want);
      for (const res of [whole, streamed.last]) {
        assert.equal(res.candidates[0].finishReason, 'STOP');
        assert.ok(res.usageMetadata.candidatesTokenCount > 0);
      }
    });
  }

  it('counts tokens', async () => {
    for (const model of ['hello', 'red/mock-small', 'rescued']) {
      const { totalTokens } = await client.models.countTokens({ model, contents: 'four'.repeat(10) });
      assert.equal(totalTokens, 10);
    }
  });

  it('embeds', async () => {
    for (const model of ['hello', 'red/mock-small', 'rescued']) {
      const { embeddings } = await client.models.embedContent({ model, contents: ['one', 'two'] });
      assert.deepEqual(embeddings.map((e) => e.values.length), [8, 8]);
      assert.notDeepEqual(embeddings[0], embeddings[1]);
      const small = await client.models.embedContent({ model, contents: 'one', config: { outputDimensionality: 3 } });
      assert.equal(small.embeddings[0].values.length, 3);
    }
  });

  it('calls functions', async () => {
    const declarations = [{ name: 'get_weather', parametersJsonSchema: weatherSchema }];
    const config = { tools: [{ functionDeclarations: declarations }] };
    const question = { role: 'user', parts: [{ text: 'What is the weather?' }] };
    const whole = await client.models.generateContent({ model: 'hello', contents: [question], config });
    const streamed = await read({ model: 'hello', contents: [question], config });
    assert.ifError(streamed.error);
    for (const calls of [whole.functionCalls, streamed.calls]) {
      assert.deepEqual(calls.map(({ name, args }) => ({ name, args })), [{ name: 'get_weather', args: weatherArguments }]);
    }
    const result = { functionResponse: { name: 'get_weather', response: { output: 'Sunny.' } } };
    const contents = [question, whole.candidates[0].content, { role: 'user', parts: [result] }];
    assert.equal((await client.models.generateContent({ model: 'hello', contents, config })).text, helloText);
  });

  it('thinks', async () => {
    const params = { model: 'hello', contents: 'x', config: { thinkingConfig: { includeThoughts: true } } };
    const whole = await client.models.generateContent(params);
    const [thought] = whole.candidates[0].content.parts;
    assert.ok(thought.thought && thought.text);
    assert.ok(whole.usageMetadata.thoughtsTokenCount > 0);
    const streamed = await read(params);
    assert.ifError(streamed.error);
    assert.equal(streamed.thoughts, thought.text);
    assert.equal(streamed.text, helloText);
  });

  it('chats', async () => {
    const chat = client.chats.create({ model: 'hello' });
    assert.equal((await chat.sendMessage({ message: 'one' })).text, helloText);
    assert.equal((await chat.sendMessage({ message: 'two' })).text, helloText);
    assert.equal(chat.getHistory().length, 4);
  });

  const fails = async (on, model, status, reason) => {
    const whole = await on.models.generateContent({ model, contents: 'x' }).catch((e) => e);
    const { error } = await read({ model, contents: 'x' }, on);
    for (const e of [whole, error]) {
      assert.ok(e instanceof ApiError, String(e));
      assert.equal(e.status, status);
      assert.ok(e.message.includes(reason), e.message);
    }
  };
  it('tells why it fails', async () => {
    await fails(client, 'nothing', 404, 'NOT_FOUND');
    await fails(client, 'nobody/mock-small', 404, 'NOT_FOUND');
    await fails(client, 'refused', 400, 'INVALID_ARGUMENT');
    await fails(client, 'limited', 429, 'RESOURCE_EXHAUSTED');
    await fails(stranger, 'hello', 401, 'UNAUTHENTICATED');
  });

  for (const model of ['broken', 'cut', 'ended']) {
    it(`throws amid a stream that is ${model}`, async () => {
      const { text, error } = await read({ model, contents: 'x' });
      assert.ok(text && !text.endsWith('provider.'), text);
      assert.ok(error instanceof Error, 'the stream seems complete');
    });
  }

  for (const model of ['silent', 'endless']) {
    it(`lets the client leave a stream that is ${model}`, async () => {
      const contents = `cancel gemini ${model}`, abort = new AbortController();
      const stream = await client.models.generateContentStream({ model, contents, config: { abortSignal: abort.signal } });
      const error = await collect(stream, () => abort.abort());
      assert.equal(error.name, 'AbortError');
      await plexus.cancellation(contents);
    });
  }

  it('lets the client leave an answer that never comes', async () => {
    const contents = 'cancel gemini unary', abort = new AbortController();
    const answer = client.models.generateContent({ model: 'hanging', contents, config: { abortSignal: abort.signal } });
    const rejected = assert.rejects(answer);
    await plexus.arrival(contents);
    abort.abort();
    await plexus.cancellation(contents);
    await rejected;
  });
});
