import assert from 'node:assert/strict';
import { before, describe, it } from 'node:test';

import Anthropic from '@anthropic-ai/sdk';

import {
  apiKey, assertNoTrace, collect, gateway, helloText, rescuedText, suite, weatherArguments, weatherSchema,
} from './gateway.mjs';

describe('anthropic', suite, () => {
  const plexus = gateway();
  let client, stranger;
  before(() => {
    const options = { baseURL: plexus.url, apiKey, maxRetries: 0 };
    client = new Anthropic(options);
    stranger = new Anthropic({ ...options, apiKey: 'wrong' });
  });
  const params = (model, content) => ({ model, max_tokens: 1000, messages: [{ role: 'user', content }] });
  const tools = [{ name: 'get_weather', input_schema: weatherSchema }];

  it('lists models', async () => {
    const names = [];
    for await (const m of client.models.list()) names.push(m.id);
    for (const name of ['hello', 'hi', 'rescued']) assert.ok(names.includes(name), name);
    assert.equal((await client.models.retrieve('hi')).id, 'hi');
    // A slash in a name travels as %2F.
    assert.equal((await client.models.retrieve('red/mock-small')).id, 'red/mock-small');
    await assert.rejects(client.models.retrieve('nothing'), Anthropic.NotFoundError);
  });

  for (const [model, want] of Object.entries({
    hello: helloText,
    hi: helloText,
    'red/mock-small': helloText,
    rescued: rescuedText,
    'rescued-reset': rescuedText,
    'rescued-error': rescuedText,
  })) {
    it(`answers and streams as ${model}`, async () => {
      const prompt = `messages ${model}`;
      const whole = await client.messages.create(params(model, prompt));
      await assertNoTrace(plexus, prompt);
      let text = '';
      const stream = client.messages.stream(params(model, 'x'));
      stream.on('text', (piece) => { text += piece; });
      const streamed = await stream.finalMessage();
      assert.equal(text, want);
      for (const m of [whole, streamed]) {
        assert.deepEqual(m.content.map((b) => b.text), [want]);
        assert.equal(m.stop_reason, 'end_turn');
        assert.ok(m.usage.input_tokens > 0);
        assert.ok(m.usage.output_tokens > 0);
      }
    });
  }

  it('counts tokens', async () => {
    const { max_tokens: _, ...count } = params('hello', 'four'.repeat(10));
    assert.equal((await client.messages.countTokens(count)).input_tokens, 10);
    assert.equal((await client.messages.countTokens({ ...count, model: 'rescued' })).input_tokens, 10);
  });

  it('has beta features', async () => {
    const asked = { ...params('hello', 'beta messages'), betas: ['token-efficient-tools-2025-02-19'] };
    assert.equal((await client.beta.messages.create(asked)).content[0].text, helloText);
    const { headers } = await plexus.received('beta messages');
    assert.deepEqual(headers['Anthropic-Beta'], asked.betas);
  });

  it('calls tools', async () => {
    const asked = { ...params('hello', 'What is the weather?'), tools };
    const streamed = await client.messages.stream(asked).finalMessage();
    const whole = await client.messages.create(asked);
    for (const { content: [call], stop_reason: reason } of [whole, streamed]) {
      assert.equal(reason, 'tool_use');
      assert.equal(call.type, 'tool_use');
      assert.equal(call.name, 'get_weather');
      assert.deepEqual(call.input, weatherArguments);
    }
    asked.messages.push(
      { role: 'assistant', content: whole.content },
      { role: 'user', content: [{ type: 'tool_result', tool_use_id: whole.content[0].id, content: 'Sunny.' }] },
    );
    assert.equal((await client.messages.create(asked)).content[0].text, helloText);
  });

  it('thinks', async () => {
    const asked = { ...params('hello', 'x'), max_tokens: 2000, thinking: { type: 'enabled', budget_tokens: 1024 } };
    const whole = await client.messages.create(asked);
    const streamed = await client.messages.stream(asked).finalMessage();
    for (const { content: [thinking, text] } of [whole, streamed]) {
      assert.equal(thinking.type, 'thinking');
      assert.ok(thinking.thinking);
      // Without it the thinking could not be sent back in the next turn.
      assert.ok(thinking.signature);
      assert.equal(text.text, helloText);
    }
    assert.equal(whole.content[0].thinking, streamed.content[0].thinking);
  });

  for (const [model, type, status, kind] of [
    ['nothing', Anthropic.NotFoundError, 404, 'not_found_error'],
    ['nobody/mock-small', Anthropic.NotFoundError, 404, 'not_found_error'],
    ['refused', Anthropic.BadRequestError, 400, 'invalid_request_error'],
    ['limited', Anthropic.RateLimitError, 429, 'rate_limit_error'],
  ]) {
    it(`tells why ${model} fails`, async () => {
      for (const stream of [false, true]) {
        const error = await client.messages.create({ ...params(model, 'x'), stream }).catch((e) => e);
        assert.ok(error instanceof type, String(error));
        assert.equal(error.status, status);
        assert.equal(error.error.error.type, kind);
      }
    });
  }

  it('refuses a wrong key', () =>
    assert.rejects(stranger.messages.create(params('hello', 'x')), Anthropic.AuthenticationError));

  it('takes the key as a bearer token, as agents send it', async () => {
    const agent = new Anthropic({ baseURL: plexus.url, apiKey: null, authToken: apiKey, maxRetries: 0 });
    assert.equal((await agent.messages.create(params('hello', 'x'))).content[0].text, helloText);
  });

  for (const model of ['broken', 'cut', 'ended']) {
    it(`throws amid a stream that is ${model}`, async () => {
      const seen = [];
      const error = await collect(client.messages.create({ ...params(model, 'x'), stream: true }), (ev) => seen.push(ev.type));
      assert.ok(error instanceof Anthropic.APIError, String(error));
      assert.ok(seen.includes('content_block_delta'));
      assert.ok(!seen.includes('message_stop'));
      await assert.rejects(client.messages.stream(params(model, 'x')).finalMessage(), Anthropic.APIError);
    });
  }

  for (const model of ['silent', 'endless']) {
    it(`lets the client leave a stream that is ${model}`, async () => {
      const prompt = `cancel messages ${model}`;
      const stream = await client.messages.create({ ...params(model, prompt), stream: true });
      for await (const _ of stream) {
        stream.controller.abort();
      }
      await plexus.cancellation(prompt);
    });
  }

  it('lets the client leave an answer that never comes', async () => {
    const prompt = 'cancel messages unary', abort = new AbortController();
    const answer = client.messages.create(params('hanging', prompt), { signal: abort.signal });
    const rejected = assert.rejects(answer, Anthropic.APIUserAbortError);
    await plexus.arrival(prompt);
    abort.abort();
    await plexus.cancellation(prompt);
    await rejected;
  });
});
