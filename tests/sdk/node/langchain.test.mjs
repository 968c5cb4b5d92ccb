import assert from 'node:assert/strict';
import { before, describe, it } from 'node:test';

import { HumanMessage, ToolMessage } from '@langchain/core/messages';
import { ChatOpenAI, OpenAIEmbeddings } from '@langchain/openai';

import {
  apiKey, assertNoTrace, collect, gateway, helloText, rescuedText, suite, weatherArguments, weatherSchema,
} from './gateway.mjs';

describe('langchain', suite, () => {
  const plexus = gateway();
  let configuration;
  before(() => {
    configuration = { baseURL: `${plexus.url}/v1` };
  });
  const tools = [{ type: 'function', function: { name: 'get_weather', parameters: weatherSchema } }];

  for (const useResponsesApi of [false, true]) {
    describe(useResponsesApi ? 'responses' : 'chat', () => {
      const chat = (model, key = apiKey) => new ChatOpenAI({ model, apiKey: key, maxRetries: 0, useResponsesApi, configuration });
      const read = async (stream) => {
        const got = { text: '' };
        got.error = await collect(stream, (chunk) => {
          got.text += chunk.text;
          got.message = got.message ? got.message.concat(chunk) : chunk;
        });
        return got;
      };

      for (const [model, want] of Object.entries({
        hello: helloText,
        'red/mock-small': helloText,
        rescued: rescuedText,
        'rescued-reset': rescuedText,
        'rescued-error': rescuedText,
      })) {
        it(`answers and streams as ${model}`, async () => {
          const prompt = `langchain ${useResponsesApi} ${model}`;
          const whole = await chat(model).invoke(prompt);
          assert.equal(whole.text, want);
          assert.ok(whole.usage_metadata.output_tokens > 0);
          await assertNoTrace(plexus, prompt);
          const streamed = await read(chat(model).stream('x'));
          assert.ifError(streamed.error);
          assert.equal(streamed.text, want);
          assert.ok(streamed.message.usage_metadata.output_tokens > 0);
        });
      }

      it('calls tools', async () => {
        const model = chat('hello').bindTools(tools);
        const question = new HumanMessage('What is the weather?');
        const whole = await model.invoke([question]);
        const streamed = await read(model.stream([question]));
        assert.ifError(streamed.error);
        for (const { tool_calls: calls } of [whole, streamed.message]) {
          assert.deepEqual(calls.map(({ name, args }) => ({ name, args })), [{ name: 'get_weather', args: weatherArguments }]);
        }
        const result = new ToolMessage({ content: 'Sunny.', tool_call_id: whole.tool_calls[0].id });
        assert.equal((await model.invoke([question, whole, result])).text, helloText);
      });

      it('tells why it fails', async () => {
        await assert.rejects(chat('nothing').invoke('x'), { status: 404 });
        await assert.rejects(chat('refused').invoke('x'), { status: 400 });
        await assert.rejects(chat('limited').invoke('x'), { status: 429 });
        await assert.rejects(chat('hello', 'wrong').invoke('x'), { status: 401 });
      });

      for (const model of ['broken', 'cut', 'ended']) {
        it(`throws amid a stream that is ${model}`, async () => {
          const { text, error } = await read(chat(model).stream('x'));
          assert.ok(text && !text.endsWith('provider.'), text);
          assert.ok(error instanceof Error, 'the stream seems complete');
        });
      }

      it('lets the client leave', async () => {
        const prompt = `cancel langchain ${useResponsesApi}`, abort = new AbortController();
        const error = await collect(chat('endless').stream(prompt, { signal: abort.signal }), () => abort.abort());
        assert.ok(error);
        await plexus.cancellation(prompt);
      });
    });
  }

  it('embeds', async () => {
    const embeddings = new OpenAIEmbeddings({ model: 'hello', apiKey, maxRetries: 0, configuration });
    const [one, two] = await embeddings.embedDocuments(['one', 'two']);
    assert.equal(one.length, 8);
    assert.notDeepEqual(one, two);
  });
});
